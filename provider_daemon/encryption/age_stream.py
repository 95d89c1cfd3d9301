"""Runs blocking work on a stream in a thread, between two asynchronous iterators.

pyrage pulls from a reader and pushes into a writer, so each stream has a thread. It waits for the event loop
at both ends: at most a few chunks are in memory. A daemon thread, so that it never delays the process's exit.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

CHUNK_BYTES = 256 * 1024  # of the produced chunks, except for the last
QUEUED_CHUNKS = 2


class Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Writer(Protocol):
    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> Any: ...


Work = Callable[[Reader, Writer], None]


def through_thread(chunks: AsyncIterator[bytes], work: Work) -> AsyncIterator[bytes]:
    """Yields what `work` writes while it reads `chunks`. Raises what `work` raises, after all chunks."""
    return _Stream(chunks, work).chunks()


class _Stream:
    def __init__(self, chunks: AsyncIterator[bytes], work: Work) -> None:
        self._chunks = chunks
        self._work = work
        self._loop: asyncio.AbstractEventLoop
        self._ready: asyncio.Queue[bytes | None]
        self._waiting: Future[Any] | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._error: BaseException | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Queue(QUEUED_CHUNKS)
        ended = self._loop.create_future()
        threading.Thread(target=self._run, args=(ended,), name="stream", daemon=True).start()
        try:
            while (chunk := await self._ready.get()) is not None:
                yield chunk
        finally:
            self._close()
            await asyncio.shield(ended)
        if self._error is not None:
            raise self._error

    def _close(self) -> None:
        """Makes the thread's pending and later waits fail."""
        with self._lock:
            self._closed = True
            if self._waiting is not None:
                self._waiting.cancel()

    # --- in the thread ---

    def _run(self, ended: "asyncio.Future[None]") -> None:
        target = _Target(self._put)
        try:
            self._work(_Source(self._following), target)
            target.send()
        except CancelledError:
            pass  # the reader has left
        except BaseException as error:  # nothing sees what a thread raises: the iterator raises it
            self._error = error
        self._end(ended)

    def _end(self, ended: "asyncio.Future[None]") -> None:
        try:
            self._put(None)
        except CancelledError:
            pass
        finally:
            self._loop.call_soon_threadsafe(ended.set_result, None)

    def _following(self) -> bytes:
        return self._wait(self._next())

    async def _next(self) -> bytes:
        """Returns the next chunk of the source; b"" at its end."""
        async for chunk in self._chunks:
            if chunk:
                return chunk
        return b""

    def _put(self, chunk: bytes | None) -> None:
        self._wait(self._ready.put(chunk))

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._closed:
                coroutine.close()
                raise CancelledError
            waiting: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
            self._waiting = waiting
        return waiting.result()


class _Source:
    def __init__(self, following: Callable[[], bytes]) -> None:
        self._following = following
        self._left = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        if not self._left:
            self._left = memoryview(self._following())
        part, self._left = self._left[:size], self._left[size:]
        return bytes(part)


class _Target:
    """Joins small writes into chunks."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._joined = bytearray()

    def write(self, data: bytes, /) -> int:
        self._joined += data
        if len(self._joined) >= CHUNK_BYTES:
            self.send()
        return len(data)

    def flush(self) -> None:
        """Does nothing: a chunk is sent when it is full."""

    def send(self) -> None:
        if self._joined:
            chunk, self._joined = bytes(self._joined), bytearray()
            self._put(chunk)
