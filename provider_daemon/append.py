"""Appends to a file in threads: one piece is written and hashed while the next one arrives.

Content that arrives slowly is written in smaller pieces, about one a second: others see the file grow, and a
crash loses little of it.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PIECE = 1024 * 1024  # bytes that are written at once: a thread for each small chunk would cost more time
PIECE_SECONDS = 1.0  # after which the next chunk is written with what waits, even if it is less
SYNC_BYTES = 64 * 1024 * 1024  # written bytes after which they are flushed to the disk


class Appender:
    """`written`: the size up to which the file and `hasher` (None for none) have the content.

    `sync`: content goes to the disk while more arrives, so that the caller's sync after `close` is short.
    Methods raise OSError, also for an earlier failure. After one, only `close` may be called.
    """

    def __init__(self, path: Path, offset: int, hasher: "hashlib._Hash | None", *, sync: bool) -> None:
        self.written = offset
        self._hasher = hasher
        self._waiting = bytearray()
        self._clock = asyncio.get_running_loop().time
        self._due_at = self._clock()
        self._sync = sync
        self._synced = offset
        self._writing: asyncio.Future[None] | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)

    async def append(self, chunk: bytes) -> None:
        self._waiting += chunk
        if len(self._waiting) >= PIECE or self._clock() >= self._due_at:
            await self._written()
            self._write()

    async def close(self) -> None:
        """Writes the rest, also after a request was cancelled."""
        try:
            await self._written()
            self._write()
            await self._written()
            if self._syncing is not None:
                await asyncio.shield(self._syncing)
        finally:
            for each in (self._writing, self._syncing):
                if each is not None and not each.done():
                    await asyncio.wait([each])  # its thread uses the file
            os.close(self._file)

    def _write(self) -> None:
        piece, self._waiting = self._waiting, bytearray()
        self._due_at = self._clock() + PIECE_SECONDS
        if piece:
            self._writing = asyncio.ensure_future(asyncio.to_thread(self._write_now, piece))

    def _write_now(self, piece: bytearray) -> None:
        left = memoryview(piece)
        while left:
            left = left[os.write(self._file, left) :]
        if self._hasher is not None:
            self._hasher.update(piece)
        self.written += len(piece)

    async def _written(self) -> None:
        """Waits for the last piece, and starts a sync that is due."""
        if self._writing is None:
            return
        await asyncio.shield(self._writing)
        self._writing = None
        due = self._sync and self.written - self._synced >= SYNC_BYTES
        if due and (self._syncing is None or self._syncing.done()):
            if self._syncing is not None:
                self._syncing.result()
            self._synced = self.written
            self._syncing = asyncio.ensure_future(asyncio.to_thread(os.fdatasync, self._file))


async def finished(work: Callable[..., T], *args: object) -> T:
    """Runs it in a thread, to its end even if the request is cancelled: the thread uses a descriptor."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args))
    try:
        return await asyncio.shield(task)
    finally:
        if not task.done():
            await asyncio.wait([task])
