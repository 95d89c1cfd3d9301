"""The agent's log: one JSON object a line, as provd's other processes write, without their library.

JSON escapes control characters and all beyond ASCII, so no value can forge a line.
"""

import json
import os
import sys
import time

MAX_VALUE = 1000
_PRIORITY = {"info": 6, "warning": 4, "error": 3}  # syslog's


class Journal:
    """Writes to standard error, which systemd connects to its journal."""

    def __init__(self) -> None:
        self._prioritized = "JOURNAL_STREAM" in os.environ

    def info(self, event: str, **values: object) -> None:
        self._write("info", event, values)

    def warning(self, event: str, **values: object) -> None:
        self._write("warning", event, values)

    def error(self, event: str, **values: object) -> None:
        self._write("error", event, values)

    def _write(self, level: str, event: str, values: dict[str, object]) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps(
            {"event": event, **{k: _plain(v) for k, v in values.items()}, "level": level, "timestamp": at}
        )
        prefix = f"<{_PRIORITY[level]}>" if self._prioritized else ""
        print(f"{prefix}{line}", file=sys.stderr, flush=True)


def _plain(value: object) -> object:
    return value if isinstance(value, int | float) else str(value)[:MAX_VALUE]
