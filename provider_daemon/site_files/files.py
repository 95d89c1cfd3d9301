"""Files at a site, read and written as the job user, over any transport (program: remote/)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from provider_daemon.errors import Unreadable
from provider_daemon.site_files.values import (
    FAILURES,
    Entry,
    Identity,
    Kind,
    Listing,
    ManifestEntry,
    NotThere,
    Skipped,
    SkipReason,
    Usage,
)
from provider_daemon.site_files.workers import WORKERS, Worker, Workers
from provider_daemon.slurm.transport import StreamingTransport

MAX_LISTING = 10_000
INPUTS = ("inputs",)
POLL_SECONDS = (0.25, 2.0)  # of a followed file: after new content, and at most
_TAIL = 1024 * 1024
_WINDOWS = (1024 * 1024, 64 * 1024 * 1024)
_FAST_SECONDS = 1.0
_KINDS, _REASONS = frozenset(Kind), frozenset(SkipReason)


class SiteFiles:
    """`root` in each method is an absolute directory. Its parents may be symbolic links; its last component
    may be one only if it ends with "/" (a directory of the operator, such as `work_root + "/"`).

    `path` is relative to the root; "" is the root itself. No symbolic link below the root is followed.
    Each method raises NotThere, NotAllowed, Transient (NoSpace, Changed) and Unreadable. `workers`:
    concurrent programs at the site.
    """

    def __init__(self, transport: StreamingTransport, workers: int = WORKERS) -> None:
        self._workers = Workers(transport, workers)

    async def close(self) -> None:
        """Ends the idle programs at the site. The transport stays open."""
        await self._workers.close()

    async def list(self, root: str, path: str = "", after: str = "", limit: int = 1000) -> Listing:
        """Returns entries of one directory. `after`: the `path` of the last entry of the previous part.

        `limit` is at most MAX_LISTING.
        """
        name = after.removeprefix(f"{path}/") if path else after
        asked = {"path": path, "after": name, "limit": max(1, min(limit, MAX_LISTING))}
        found = await self._ask("list", root, **asked)
        try:
            return Listing(tuple(_entry(each) for each in found["entries"]), bool(found["more"]))
        except (KeyError, TypeError) as error:
            raise _odd("list", found) from error

    async def stat(self, root: str, path: str) -> Entry:
        return _entry(await self._ask("stat", root, path=path))

    async def identity(self, root: str, path: str) -> Identity:
        return _identity(await self._ask("identity", root, path=path))

    async def sha256(self, root: str, path: str) -> str:
        """Returns the hash of a regular file in hex. Raises Changed if the file is written to meanwhile."""
        return str(await self._ask("sha256", root, path=path))

    async def space(self, root: str) -> int:
        """Returns the free bytes of the root's file system for the job user."""
        return int(await self._ask("space", root))

    async def usage(self, root: str, path: str = "", exclude: Iterable[str] = ()) -> Usage:
        found = await self._ask("usage", root, path=path, exclude=[*exclude])
        try:
            size, inodes = found
            return Usage(int(size), int(inodes))
        except (TypeError, ValueError) as error:
            raise _odd("usage", found) from error

    @asynccontextmanager
    async def read(
        self, root: str, path: str, offset: int = 0, length: int | None = None, *, links: bool = False
    ) -> AsyncIterator["FileStream"]:
        """Yields a stream of a file's content from `offset`, up to `length` bytes.

        It ends at the size that the file had when it was opened, however the file grows. `links`: also files
        with several hard links; below inputs/ these are always read.
        """
        stream = FileStream(self, {"root": root, "path": path, "links": links}, offset, length)
        await stream.open()
        async with aclosing(stream.chunks):
            yield stream

    @asynccontextmanager
    async def follow(
        self, root: str, path: str, offset: int = 0, poll_seconds: tuple[float, float] = POLL_SECONDS
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yields an endless iterator over the content from `offset`, as the file grows.

        The file need not exist yet. If it is truncated, the iterator waits until it is longer than what was
        read. No program at the site is occupied between two polls.
        """
        async with aclosing(self._followed(root, path, offset, poll_seconds)) as chunks:
            yield chunks

    async def _followed(
        self, root: str, path: str, offset: int, poll_seconds: tuple[float, float]
    ) -> AsyncGenerator[bytes, None]:
        wait = poll_seconds[0]
        while True:
            content = await self._tail(root, path, offset)
            if content:
                offset += len(content)
                wait = poll_seconds[0]
                yield content
                if len(content) == _TAIL:
                    continue
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, poll_seconds[1])

    async def _tail(self, root: str, path: str, offset: int) -> bytes:
        asked = _part({"root": root, "path": path, "links": False}, offset, _TAIL, whole=False)
        try:
            async with self.request("read", asked) as (_, answer):
                return b"".join([each async for each in answer if isinstance(each, bytes)])
        except NotThere:
            return b""

    @asynccontextmanager
    async def manifest(
        self, root: str, exclude: Iterable[str] = INPUTS
    ) -> AsyncIterator[AsyncIterator[ManifestEntry | Skipped]]:
        """Yields an iterator over all files below the root, in the order of the bytes of their paths.

        `exclude`: paths that are left out with everything below them.
        """
        async with (
            self.request("manifest", {"root": root, "exclude": [*exclude]}) as (_, answer),
            aclosing(_manifest(answer)) as listed,
        ):
            yield listed

    async def _ask(self, do: str, root: str, **asked: object) -> Any:
        """Returns the result of a request that has no other answer."""
        result = None
        async with self.request(do, {"root": root, **asked}) as (_, answer):
            async for item in answer:
                result = item
        if not isinstance(result, list):
            raise _odd(do, result)
        return result[0]

    @asynccontextmanager
    async def request(
        self, do: str, asked: dict[str, object]
    ) -> AsyncIterator[tuple[Worker, AsyncIterator[Any]]]:
        """Yields the worker and its answer (Worker.answer). Failures name the request and the path."""
        where = printable("/".join(str(asked[part]) for part in ("root", "path") if asked.get(part)))
        async with self._workers.worker() as worker:
            await worker.send({"do": do, **asked})
            async with aclosing(_named(worker.answer(), f"{do} {where}")) as answer:
                yield worker, answer


class FileStream:
    """The content of a file: an async iterator over chunks of at most 256 KiB.

    `size` in bytes and `modified_at` in Unix seconds are those at the open. Content is requested in windows:
    small ones are received whole before the consumer gets them, so that a slow consumer occupies no program
    at the site; they grow while the consumer is fast.
    """

    def __init__(self, files: SiteFiles, asked: dict[str, object], offset: int, length: int | None) -> None:
        self._files, self._asked, self._offset, self._length = files, asked, offset, length
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
            if self._window == _WINDOWS[0]:
                for chunk in await self._whole(position, size, self.identity.inode):
                    yield chunk
            else:
                async with self._window_of(position, size, self.identity.inode) as answer:
                    async for chunk in answer:
                        if isinstance(chunk, bytes):
                            yield chunk
            position += size
            fast = clock() - began < _FAST_SECONDS
            self._window = min(self._window * 4, _WINDOWS[1]) if fast else _WINDOWS[0]

    async def _whole(self, offset: int, size: int, inode: int) -> list[bytes]:
        pieces = []
        async with self._window_of(offset, size, inode) as answer:
            async for item in answer:
                if isinstance(item, bytes):
                    pieces.append(item)
                elif not inode and item[0] is not None:
                    self.identity = _identity(item[0])
        return pieces

    @asynccontextmanager
    async def _window_of(self, offset: int, size: int, inode: int) -> AsyncIterator[AsyncIterator[Any]]:
        part = _part(self._asked, offset, size, inode=inode, whole=True)
        async with self._files.request("read", part) as (_, answer):
            yield answer


def printable(path: str) -> str:
    """Returns a path for messages and logs: names may hold line breaks and bytes that are not UTF-8."""
    return path.encode("utf-8", "backslashreplace").decode().encode("unicode_escape").decode("ascii")


def _part(
    asked: dict[str, object], offset: int, size: int, *, inode: int = 0, whole: bool
) -> dict[str, object]:
    return {**asked, "offset": offset, "length": size, "inode": inode, "whole": whole}


async def _named(answer: AsyncIterator[Any], what: str) -> AsyncGenerator[Any, None]:
    """Adds the request to the failures of its answer."""
    try:
        async for item in answer:
            yield item
    except tuple(FAILURES.values()) as error:
        raise type(error)(f"{what}: {error}") from None


async def _manifest(answer: AsyncIterator[Any]) -> AsyncGenerator[ManifestEntry | Skipped, None]:
    async for (batch,) in answer:
        for each in batch or ():
            match each:
                case [str(path), int(size), str(sha256)]:
                    yield ManifestEntry(path, size, sha256)
                case [str(path), str(reason)] if reason in _REASONS:
                    yield Skipped(path, SkipReason(reason))
                case _:
                    raise _odd("manifest", each)


def _entry(value: Any) -> Entry:
    match value:
        case [str(path), str(kind), int(size), int(modified_at)] if kind in _KINDS:
            return Entry(path, Kind(kind), size, modified_at)
    raise _odd("entry", value)


def _identity(value: Any) -> Identity:
    match value:
        case [int(size), int(mtime_ns), int(ctime_ns), int(inode)]:
            return Identity(size, mtime_ns, ctime_ns, inode)
    raise _odd("identity", value)


def _odd(what: str, value: object) -> Unreadable:
    return Unreadable(f"the program for files returned an unexpected {what}: {value!r:.200}")
