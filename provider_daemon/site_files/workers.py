"""Running remote programs: started when needed, used by one request at a time, kept while they are in use."""

import asyncio
import json
import struct
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from provider_daemon.errors import ProvdError, Transient, TurnedAway, Unreadable
from provider_daemon.site_files import program
from provider_daemon.site_files.values import FAILURES
from provider_daemon.slurm.transport import ByteStream, StreamingTransport

IDLE_SECONDS = 60.0
# The program sends something every 5 s unless the site's file system hangs.
SILENT_SECONDS = 60.0
START_SECONDS = 30.0
WRITTEN_SECONDS = 600.0  # after the last content of a write: the site's disks may be slow
CHUNK = 256 * 1024  # most bytes of content at a time
_MOST_VALUE = 256 * 1024 * 1024
_MOST_NOISE = 64 * 1024  # bytes that login files may print
_READY = b"\nprovd-site-files\n"
_VERSION = 1
Found = TypeVar("Found")


class Worker:
    """One remote program. After an error that is not an answer, it must be closed."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.usable = True
        self.abandoned = False

    @property
    def ended(self) -> bool:
        return self._stream.ended

    async def start(self) -> None:
        """Raises Unreadable if the site has no Python, Transient if the program does not start."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._stream.write(program.modules())
                await self._ready()
                kind, size = await self._header()
                hello = await self._json(size)
        except TimeoutError:
            raise Transient(f"the remote file program did not start within {START_SECONDS:g} s") from None
        if kind != b"h" or not isinstance(hello, dict) or hello.get("version") != _VERSION:
            raise Unreadable(f"the remote file program answered its start with {kind!r} {hello!r:.100}")

    async def send(self, asked: dict[str, object]) -> None:
        text = json.dumps(asked, separators=(",", ":")).encode("ascii")
        self.usable = False
        await self._within(self._stream.write(struct.pack(">I", len(text)) + text))

    async def upload(self, chunks: AsyncIterable[bytes], what: str) -> Any:
        """Sends the content of "write" and returns its result. `what`: the request, for its failures.

        A failure of the program ends the sending. After any failure the worker cannot be used again.
        """
        result = asyncio.create_task(self._result(what))
        sending = asyncio.create_task(self._send_content(chunks))
        try:
            await asyncio.wait({result, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not result.done() and sending.exception() is not None:
                await self._explained(result, sending)
            async with asyncio.timeout(WRITTEN_SECONDS):
                return await result
        except TimeoutError:
            raise Transient(f"the site did not store a file within {WRITTEN_SECONDS:g} s") from None
        finally:
            for task in (sending, result):
                task.cancel()
            await asyncio.gather(sending, result, return_exceptions=True)

    async def _explained(self, result: "asyncio.Task[Any]", sending: "asyncio.Task[None]") -> None:
        """Raises why the sending failed: the program's reason, if the program ended."""
        if isinstance(sending.exception(), Transient):
            await asyncio.wait({result}, timeout=1)
        if not result.done():
            sending.result()

    async def _send_content(self, chunks: AsyncIterable[bytes]) -> None:
        async for chunk in chunks:
            for start in range(0, len(chunk), CHUNK):
                piece = chunk[start : start + CHUNK]
                await self._within(self._stream.write(struct.pack(">I", len(piece)), piece))
        await self._within(self._stream.write(bytes(4)))

    async def _result(self, what: str) -> Any:
        """Waits without a limit: the program is silent as long as the source of the content is."""
        kind, size = struct.unpack(">cI", await self._stream.read_exactly(5))
        while kind == b"p":
            kind, size = struct.unpack(">cI", await self._stream.read_exactly(5))
        value = await self._json(size)
        if kind == b"e":
            raise _failure(value, what)
        self.usable = kind == b"z"
        return value

    async def answer(self, what: str) -> AsyncGenerator[bytes | list[Any], None]:
        """Yields content as bytes and values in lists of one. The last list holds the result.

        Raises the request's failure, which starts with `what`. The worker can be used again after the result
        or a failure.
        """
        while True:
            kind, size = await self._header()
            if kind == b"d":
                while size:
                    piece = await self._within(self._stream.read(min(size, CHUNK)))
                    if not piece:
                        raise Transient("the remote file program ended in the middle of its answer")
                    size -= len(piece)
                    yield piece
                continue
            value = await self._json(size) if kind != b"p" else None
            if kind == b"e":
                self.usable = True
                raise _failure(value, what)
            if kind == b"z":
                self.usable = True
                yield [value]
                return
            if kind == b"v":
                yield [value]
            elif kind != b"p":
                raise Unreadable(f"unknown frame {kind!r} from the remote file program")

    async def _ready(self) -> None:
        """Skips what the login shell printed."""
        seen = b""
        while not seen.endswith(_READY):
            if len(seen) > _MOST_NOISE:
                raise Unreadable(
                    f"the login shell printed more than {_MOST_NOISE} bytes before the program ran"
                )
            seen += await self._exactly(1)

    async def _header(self) -> tuple[bytes, int]:
        kind, size = struct.unpack(">cI", await self._exactly(5))
        return kind, size

    async def _json(self, size: int) -> Any:
        if size > _MOST_VALUE:
            raise Unreadable(f"the remote file program sent a value of {size} bytes")
        try:
            return json.loads(await self._exactly(size))
        except ValueError:
            raise Unreadable("the remote file program sent a value that is not JSON") from None

    async def _exactly(self, size: int) -> bytes:
        try:
            return await self._within(self._stream.read_exactly(size))
        except Transient:
            if program.NO_PYTHON in self._stream.stderr.split():
                tried = " and ".join(program.INTERPRETERS)
                raise TurnedAway(
                    f"the site has no Python 3.6 or newer ({tried} were tried): install python3 on the login "
                    "node; files cannot be read or written before"
                ) from None
            raise

    async def _within(self, work: Awaitable[Found]) -> Found:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                return await work
        except TimeoutError:
            raise Transient(
                f"the remote file program did not respond for {SILENT_SECONDS:g} s: the site's file system "
                "or connection hangs"
            ) from None


def _failure(value: Any, what: str) -> ProvdError:
    match value:
        case {"kind": str(kind), "reason": str(reason)} if kind in FAILURES:
            return FAILURES[kind](f"{what}: {reason}")
    return Unreadable(f"unknown failure from the remote file program: {value!r:.200}")


class Workers:
    """`limit`: programs at a time; requests wait for a free one.

    A worker that was not used for `idle_seconds` is closed.
    """

    def __init__(self, transport: StreamingTransport, limit: int, idle_seconds: float = IDLE_SECONDS) -> None:
        self._transport = transport
        self._free = asyncio.Semaphore(limit)
        self._idle: list[tuple[Worker, AsyncExitStack]] = []
        self._idle_seconds = idle_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._closing = set[asyncio.Task[None]]()

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[tuple[Worker, Callable[[], None]]]:
        """Waits for a free worker. One that was left in the middle of an answer is closed.

        Yields a function that ends the worker before the context does, so that another request gets its turn.
        """
        await self._free.acquire()
        try:
            worker, stack = await self._taken()
        except BaseException:
            self._free.release()
            raise
        try:
            yield worker, partial(self._abandon, worker, stack)
        finally:
            if not worker.abandoned:
                await self._return(worker, stack)

    async def _return(self, worker: Worker, stack: AsyncExitStack) -> None:
        try:
            if worker.usable and not worker.ended:
                self._idle.append((worker, stack))
                self._restart_timer()
            else:
                await stack.aclose()
        finally:
            self._free.release()

    async def close(self) -> None:
        """Ends the idle programs; to be called when no request is under way."""
        if self._timer is not None:
            self._timer.cancel()
        self._drop_idle()
        await asyncio.gather(*self._closing)

    async def _taken(self) -> tuple[Worker, AsyncExitStack]:
        while self._idle:
            worker, stack = self._idle.pop()
            if not worker.ended:
                return worker, stack
            await stack.aclose()
        stack = AsyncExitStack()
        try:
            worker = Worker(await stack.enter_async_context(self._transport.stream(program.shell())))
            await worker.start()
        except BaseException:
            await stack.aclose()
            raise
        return worker, stack

    def _abandon(self, worker: Worker, stack: AsyncExitStack) -> None:
        worker.abandoned = True
        self._free.release()
        self._close_later(stack)

    def _restart_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._drop_idle)

    def _drop_idle(self) -> None:
        for _, stack in self._idle:
            self._close_later(stack)
        self._idle.clear()

    def _close_later(self, stack: AsyncExitStack) -> None:
        task = asyncio.create_task(_closed(stack))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _closed(stack: AsyncExitStack) -> None:
    with suppress(ProvdError):
        await stack.aclose()
