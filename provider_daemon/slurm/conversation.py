"""Writes to a program's stdin while it reads stdout and stderr, for local and remote programs."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from provider_daemon.slurm.transport import TOO_MUCH, CommandResult, TooMuch, keep


class Reader(Protocol):
    async def read(self, n: int = -1, /) -> bytes: ...


class Writer(Protocol):
    def write(self, data: bytes, /) -> None: ...

    async def drain(self) -> None: ...

    def write_eof(self) -> None: ...


async def converse(
    pipes: tuple[Writer, Reader, Reader],
    ended: Callable[[], Awaitable[int | None]],
    text: bytes,
    seconds: float,
    *,
    lost: type[Exception] = OSError,
) -> CommandResult:
    """Returns the output that arrived in time; the exit code is None if the output is incomplete.

    `ended` waits for the exit code. `lost` is the exception type for a lost connection.
    """
    out, err, code = bytearray(), bytearray(), None
    into, stdout, stderr = pipes
    try:
        async with asyncio.timeout(seconds):
            async with asyncio.TaskGroup() as group:
                for work in (_feed(into, text), _collect(stdout, out), _collect(stderr, err)):
                    group.create_task(work)
            code = await ended()
    except* TooMuch:
        err = bytearray(TOO_MUCH)
    except* (OSError, lost):
        pass
    return CommandResult(code, out.decode(errors="replace"), err.decode(errors="replace"))


async def _feed(pipe: Writer, text: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        pipe.write(text)
        await pipe.drain()
        pipe.write_eof()


async def _collect(pipe: Reader, into: bytearray) -> None:
    while chunk := await pipe.read(2**16):
        keep(chunk, into)
