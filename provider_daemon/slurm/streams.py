"""Long input and output of a program, for local and remote programs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from provider_daemon.errors import Transient
from provider_daemon.slurm import login
from provider_daemon.slurm.conversation import Reader, Writer
from provider_daemon.slurm.transport import CONSUMED, CONSUMED_EXIT, stdin

STDERR_KEPT = 16 * 1024  # bytes; the rest is read and discarded


class StreamReader(Reader, Protocol):
    """What the readers of asyncio and asyncssh have in common."""

    async def readexactly(self, n: int, /) -> bytes: ...

    def at_eof(self) -> bool: ...


class ProgramStream:
    """Implements transport.ByteStream over three pipes. `lost`: the exception type of a lost connection."""

    def __init__(
        self,
        pipes: tuple[Writer, StreamReader, Reader],
        ended: Callable[[], Awaitable[int | None]],
        lost: type[Exception] = OSError,
    ) -> None:
        self._stdin, self._stdout, self._stderr = pipes
        self._ended = ended
        self._lost = (OSError, lost)
        self._error = bytearray()
        self._collecting = asyncio.create_task(self._collect())

    async def write(self, *data: bytes) -> None:
        try:
            for piece in data:
                self._stdin.write(piece)
            await self._stdin.drain()
        except self._lost as error:
            raise self._failure(error) from None

    def write_eof(self) -> None:
        with contextlib.suppress(*self._lost):
            self._stdin.write_eof()

    async def read(self, limit: int) -> bytes:
        try:
            return await self._stdout.read(limit)
        except self._lost as error:
            raise self._failure(error) from None

    async def read_exactly(self, size: int) -> bytes:
        try:
            return await self._stdout.readexactly(size)
        except asyncio.IncompleteReadError:
            await self._await_stderr()
            raise Transient(f"the program at the site ended{self._reason()}") from None
        except self._lost as error:
            raise self._failure(error) from None

    @property
    def ended(self) -> bool:
        return self._stdout.at_eof()

    async def exit_code(self) -> int | None:
        try:
            return await self._ended()
        except self._lost:
            return None

    @property
    def stderr(self) -> str:
        return self._error.decode(errors="replace")

    async def close(self) -> None:
        self._collecting.cancel()
        await asyncio.gather(self._collecting, return_exceptions=True)

    async def _collect(self) -> None:
        with contextlib.suppress(*self._lost):
            while chunk := await self._stderr.read(2**16):
                self._error += chunk[: max(0, STDERR_KEPT - len(self._error))]

    async def _await_stderr(self) -> None:
        """Waits until stderr is complete. Raises LoginError if login files consumed the program."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.shield(self._collecting)
                if await self.exit_code() == CONSUMED_EXIT and CONSUMED in self.stderr.split():
                    raise login.raised(*login.STDIN_CONSUMED)

    def _failure(self, error: Exception) -> Transient:
        return Transient(f"the connection to the program at the site broke: {login.reason(error)}")

    def _reason(self) -> str:
        words = " ".join(self.stderr.split())
        return f": {words[:300]}" if words else " without an error message"


@asynccontextmanager
async def started(stream: ProgramStream, program: str) -> AsyncIterator[ProgramStream]:
    """Sends the program, and ends the collection of stderr afterwards."""
    try:
        await stream.write(stdin(program, b""))
        yield stream
    finally:
        await stream.close()
