"""How a program reaches the site: a fixed, short command line, and everything else on stdin."""

import shlex
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

MAX_ANSWER = 32 * 1024 * 1024  # bytes of stdout and of stderr: squeue's output for 100,000 jobs
TOO_MUCH = b"it is over %d bytes" % MAX_ANSWER

MARK, CONSUMED, CONSUMED_EXIT = "provd-program", "provd-stdin-consumed", 97


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A program's output. `exit_code` is None if it was truncated: a lost connection, a time-out, a signal.

    Truncated output is kept as far as it arrived; the program may have continued.
    """

    exit_code: int | None
    stdout: str
    stderr: str


class TooMuch(Exception):
    """The output exceeds MAX_ANSWER."""


def keep(chunk: bytes, into: bytearray) -> None:
    """Raises TooMuch."""
    if len(into) + len(chunk) > MAX_ANSWER:
        raise TooMuch
    into += chunk


class Transport(Protocol):
    """A connection to one site."""

    async def run(self, program: str, payload: bytes, timeout: float) -> CommandResult:
        """Runs POSIX sh text at the site, with `payload` on its stdin, for at most `timeout` seconds.

        `timeout` counts from the program's start. Raises Transient if the program was not started, and
        Unreadable if an operator must act: the host key is not the pinned one, or the login fails.
        """
        ...

    async def close(self) -> None: ...


class ByteStream(Protocol):
    """The stdin and stdout of a running program, without a limit of size.

    Each method raises Transient if the program's stdin or stdout is closed or the connection is lost.
    """

    async def write(self, *data: bytes) -> None:
        """Returns when the program is ready for more."""
        ...

    def write_eof(self) -> None: ...

    async def read(self, limit: int) -> bytes:
        """Returns 1 to `limit` bytes, or b"" at the end of stdout."""
        ...

    async def read_exactly(self, size: int) -> bytes: ...

    @property
    def ended(self) -> bool:
        """Whether stdout has ended."""
        ...

    async def exit_code(self) -> int | None:
        """Waits for the end of the program. None: a signal, or the connection was lost."""
        ...

    @property
    def stderr(self) -> str:
        """The start of what the program wrote to stderr so far."""
        ...


class StreamingTransport(Protocol):
    """A connection to one site that also runs programs with long input and output."""

    def stream(self, program: str) -> AbstractAsyncContextManager[ByteStream]:
        """Runs POSIX sh text at the site on a channel of its own. Leaving the context ends it.

        Entering raises as Transport.run. Everything written to the stream is the program's stdin. The login
        shell may write to stdout before the program does.
        """
        ...


def command_line(program: str) -> str:
    """Returns the same command line for every program, so that the login shell's syntax does not matter.

    Login files that read stdin consume its start. The first line must therefore be MARK; otherwise the rest
    (names, scripts) could be executed. The standard utilities are found whatever PATH the login sets.
    """
    refuse = f"echo {CONSUMED} >&2; exit {CONSUMED_EXIT}"
    run = f'eval "$(head -c {len(program.encode())})"'
    path = "PATH=${PATH:+$PATH:}/usr/bin:/bin; export PATH"
    return f"exec /bin/sh -c '{path}; read -r mark; if [ \"$mark\" = {MARK} ]; then {run}; else {refuse}; fi'"


def stdin(program: str, payload: bytes) -> bytes:
    return f"{MARK}\n{program}".encode() + payload


def with_path(program: str, directories: Sequence[str]) -> str:
    """Puts directories before the login's own PATH."""
    return (
        f"PATH={shlex.quote(':'.join(directories))}:$PATH\nexport PATH\n{program}" if directories else program
    )


def consumed(answer: CommandResult) -> bool:
    """Whether the site refused to run the program because the start of stdin was missing."""
    return answer.exit_code == CONSUMED_EXIT and CONSUMED in answer.stderr.split()
