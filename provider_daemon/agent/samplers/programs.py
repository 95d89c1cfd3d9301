"""Runs the small programs that an agent asks, each with a time limit."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from provider_daemon.errors import Refused, Transient

_KILL_SECONDS = 1


def installed(program: str) -> bool:
    """Reports whether the program is in PATH."""
    return shutil.which(program) is not None


class Programs:
    """Runs programs one at a time.

    A program that a broken driver holds in the kernel does not end when it is killed. It is left alone, and
    is not started again while it is still there.
    """

    def __init__(self) -> None:
        self._stuck: dict[str, subprocess.Popen[str]] = {}

    def output(self, command: Sequence[str], seconds: float) -> str:
        """Returns what the program printed.

        Raises Transient if it did not end in time, Refused with its last line and exit status if it failed,
        and OSError if it cannot be started.
        """
        name = command[0]
        if (stuck := self._stuck.pop(name, None)) and stuck.poll() is None:
            self._stuck[name] = stuck
            raise Transient(f"{name} (process {stuck.pid}) does not end, not even when it is killed")
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
        )
        try:
            printed, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._kill(name, process)
            raise Transient(f"{name} did not end within {seconds:g} s") from None
        if process.returncode:
            text = (errors.strip() or printed.strip() or "no output").splitlines()[-1]
            raise Refused(f"{name}: {text}", code=process.returncode)
        return printed

    def _kill(self, name: str, process: "subprocess.Popen[str]") -> None:
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_KILL_SECONDS)
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
        if process.returncode is None:
            self._stuck[name] = process
