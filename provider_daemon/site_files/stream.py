"""The content of one file as a stream, requested in windows."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

from provider_daemon.site_files.requests import Requests, content, identity, odd, part
from provider_daemon.site_files.values import Abandoned, Identity

_WINDOWS = (1024 * 1024, 64 * 1024 * 1024)  # bytes
_FAST_SECONDS = 1.0
STALL_SECONDS = 5.0  # after which a consumer loses its program


class FileStream:
    """The content of a file: an async iterator over chunks of at most 256 KiB.

    `size` in bytes and `modified_at` in Unix seconds are those at the open. Content is requested in windows:
    small ones are received whole before the consumer gets them, so that a slow consumer occupies no program
    at the site; they grow while the consumer is fast.
    """

    def __init__(self, requests: Requests, asked: dict[str, object], offset: int, length: int | None) -> None:
        self._requests, self._asked, self._offset, self._length = requests, asked, offset, length
        self._window = _WINDOWS[0]
        self._first: list[bytes] = []
        self._end = 0
        self.identity = Identity(0, 0, 0, 0)
        self.chunks = self._chunks()

    @property
    def size(self) -> int:
        return self.identity.size

    @property
    def modified_at(self) -> int:
        return self.identity.mtime_ns // 10**9

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.chunks

    async def open(self) -> None:
        """Requests the first window, for which the end of the file need not be known."""
        most = self._window if self._length is None else min(self._window, self._length)
        first = await self._whole(self._offset, most, 0)
        self._first = first
        if sum(map(len, first)) != min(most, max(0, self.size - self._offset)):
            raise odd("length of content", sum(map(len, first)))
        end = self.identity.size if self._length is None else self._offset + self._length
        self._end = min(end, self.identity.size)

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        for chunk in self._first:
            yield chunk
        position = self._offset + sum(map(len, self._first))
        self._first = []
        clock = asyncio.get_running_loop().time
        while position < self._end:
            began, size = clock(), min(self._window, self._end - position)
            async with aclosing(self._pieces(position, size)) as pieces:
                async for piece in pieces:
                    position += len(piece)
                    yield piece
            fast = clock() - began < _FAST_SECONDS
            self._window = min(self._window * 4, _WINDOWS[1]) if fast else _WINDOWS[0]

    async def _pieces(self, offset: int, size: int) -> AsyncGenerator[bytes, None]:
        """Yields a window, or its start if the consumer stalls: the rest is requested when it returns."""
        if size <= _WINDOWS[0]:
            pieces = await self._whole(offset, size, self.identity.inode)
            if sum(map(len, pieces)) != size:
                raise odd("length of content", sum(map(len, pieces)))
            for piece in pieces:
                yield piece
            return
        with suppress(Abandoned):
            async with self._window_of(offset, size, self.identity.inode) as answer:
                async for piece in content(answer, size):
                    size -= len(piece)
                    yield piece
            if size:
                raise odd("end of content", size)

    async def _whole(self, offset: int, size: int, inode: int) -> list[bytes]:
        pieces = []
        async with self._window_of(offset, size, inode) as answer:
            async for item in answer:
                if isinstance(item, bytes):
                    pieces.append(item)
                    size -= len(item)
                    if size < 0:
                        raise odd("length of content", len(item))
                elif not inode and item[0] is not None:
                    self.identity = identity(item[0])
        return pieces

    @asynccontextmanager
    async def _window_of(self, offset: int, size: int, inode: int) -> AsyncIterator[AsyncIterator[Any]]:
        asked = part(self._asked, offset, size, inode=inode, whole=True)
        async with self._requests.request("read", asked, STALL_SECONDS) as answer:
            yield answer
