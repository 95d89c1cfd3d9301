"""The demo's child processes. Each has its own session and a log, and is always ended."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from provider_daemon.errors import Transient

STOP_SECONDS = 40


class Process:
    """One `provd ...` process (or `python -m module ...`). `start` runs the same command again."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        log: Path,
        env: dict[str, str] | None = None,
        module: str = "provider_daemon",
    ) -> None:
        self.name = name
        self.log = log
        self._argv = [sys.executable, "-m", module, *arguments]
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=self._env,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Sends SIGKILL, as a power cut would end it."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int | None:
        """Sends SIGTERM and returns the exit code; sends SIGKILL if the process does not end."""
        if self._process is None:
            return None
        if self._process.poll() is not None:
            return self._process.returncode
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()

    def wait_for(self, words: str, limit: float = 30) -> str:
        """Waits for a log line that contains `words` and returns it.

        Raises Transient, with the log's end, if the process ends or takes too long.
        """
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            text = self.log.read_text(errors="replace") if self.log.exists() else ""
            line = next((line for line in text.splitlines() if words in line), None)
            if line is not None:
                return line
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise Transient(f"{self.name} did not print {words!r}; its log ends:\n{self.last_words()}")

    def last_words(self) -> str:
        """Returns the last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
