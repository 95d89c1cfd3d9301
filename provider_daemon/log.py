"""Logs: fixed event names, values as data, one line each. No value can forge a line or show a secret."""

import logging
import math
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog

# Control characters, line separators, and characters that change the direction of writing.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SECRET = re.compile(r"passphrase|password|mnemonic|secret|private", re.IGNORECASE)
# characters of one text; a longer one keeps its beginning and its end, where a traceback has its error
MAX_VALUE = 1000
MAX_ITEMS = 100  # items of one list: the journal splits a line over 48 KiB
LIBRARY_SECONDS = 20.0
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # syslog's


def configure(log_format: str = "json", level: str = "info") -> None:
    """Configures logging to standard error, which systemd connects to its journal."""
    renderer = (
        structlog.processors.JSONRenderer(sort_keys=False)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            clean,
            renderer,
            *([_prioritized] if _is_journal() else []),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.getLogger("asyncssh").setLevel(logging.ERROR)
    logging.getLogger().handlers = [Libraries(logging.WARNING)]


def _is_journal() -> bool:
    """Returns whether standard error is connected to systemd's journal."""
    try:
        there = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"


def _prioritized(_: Any, method: str, line: Any) -> str:
    """Adds the syslog priority, which the journal removes and `journalctl -p warning` uses."""
    return f"<{_PRIORITY[method]}>{line}"


class Libraries(logging.Handler):
    """Turns a library's log record into one line of provd's log.

    A library's own output could contain bytes from outside and several lines. Each place in a library logs
    one line per LIBRARY_SECONDS, with the number of omitted ones, so that strangers cannot fill the disk.
    """

    def __init__(self, level: int, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(level)
        self._now = now
        self._last: dict[tuple[str, str, int], float] = {}
        self._omitted: Counter[tuple[str, str, int]] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        place, now = (record.name, record.pathname, record.lineno), self._now()
        if now - self._last.get(place, -math.inf) < LIBRARY_SECONDS:
            self._omitted[place] += 1
            return
        self._last[place] = now
        more: dict[str, Any] = {"exc_info": record.exc_info} if record.exc_info else {}
        if omitted := self._omitted.pop(place, 0):
            more["omitted"] = omitted
        structlog.get_logger().log(
            record.levelno, "library", library=record.name, text=record.getMessage(), **more
        )


def clean(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Escapes control characters, limits lengths, and blanks secrets by their names, at any depth."""
    # The console renderer prints "exception" on lines of its own.
    return {"traceback" if key == "exception" else key: value for key, value in _cleaned(event).items()}


def _cleaned(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        _plain(str(key)): "***" if _SECRET.search(str(key)) else _plain(value)
        for key, value in values.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        escaped = _CONTROL.sub(lambda found: repr(found[0])[1:-1], value)
        return (
            escaped
            if len(escaped) <= MAX_VALUE
            else f"{escaped[: MAX_VALUE // 2]} ... {escaped[-MAX_VALUE // 2 :]}"
        )
    if isinstance(value, Mapping):
        return _cleaned(value)
    if isinstance(value, list | tuple):
        more = [f"... {len(value) - MAX_ITEMS} more"] if len(value) > MAX_ITEMS else []
        return [*(_plain(item) for item in value[:MAX_ITEMS]), *more]
    return value if isinstance(value, int | float | bool | None) else _plain(str(value))
