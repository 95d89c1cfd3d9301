"""How a program reaches the site: a fixed, short command line, and everything else on stdin."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MAX_ANSWER = 32 * 1024 * 1024  # bytes of an answer, and of what is said beside it: 100,000 jobs in squeue
TOO_MUCH = b"it is over %d bytes" % MAX_ANSWER

MARK, CONSUMED, CONSUMED_EXIT = "provd-program", "provd-stdin-consumed", 97


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a program said. `exit_code` is None when the answer was cut: a lost connection, a time-out, a
    signal.

    Of a cut answer whatever arrived is kept; the program may have gone on.
    """

    exit_code: int | None
    stdout: str
    stderr: str


class TooMuch(Exception):
    """More than MAX_ANSWER."""


def keep(chunk: bytes, into: bytearray) -> None:
    """Raises TooMuch."""
    if len(into) + len(chunk) > MAX_ANSWER:
        raise TooMuch
    into += chunk


class Transport(Protocol):
    """One way to one site."""

    async def run(self, program: str, payload: bytes, timeout: float) -> CommandResult:
        """Runs POSIX sh text at the site with `payload` on its stdin, for at most `timeout` seconds after it
        began.

        Raises Transient when the program never began, Unreadable when the other end is not the one that was
        agreed (its host key, or our login) and an operator has to look."""
        ...

    async def close(self) -> None: ...


def command_line(program: str) -> str:
    """The same few words for every program, so neither the login shell's syntax nor anything foreign matters
    on a command line.

    Login files that read stdin take the start of it: the first line must be MARK, or what follows (names,
    scripts) could be run. The standard utilities are found whatever PATH the login sets."""
    refuse = f"echo {CONSUMED} >&2; exit {CONSUMED_EXIT}"
    run = f'eval "$(head -c {len(program.encode())})"'
    path = "PATH=${PATH:+$PATH:}/usr/bin:/bin; export PATH"
    return f"exec /bin/sh -c '{path}; read -r mark; if [ \"$mark\" = {MARK} ]; then {run}; else {refuse}; fi'"


def stdin(program: str, payload: bytes) -> bytes:
    return f"{MARK}\n{program}".encode() + payload


def with_path(program: str, directories: Sequence[str]) -> str:
    """`program` with these directories before the login's own PATH."""
    return (
        f"PATH={shlex.quote(':'.join(directories))}:$PATH\nexport PATH\n{program}" if directories else program
    )


def consumed(answer: CommandResult) -> bool:
    """Whether the far side refused to run the program because its start was missing."""
    return answer.exit_code == CONSUMED_EXIT and CONSUMED in answer.stderr.split()
