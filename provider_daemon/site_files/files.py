"""Files at a site, read and written as the job user, over any transport (program: remote/)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from provider_daemon.site_files.requests import (
    WORKERS,
    Requests,
    content,
    entry,
    hexadecimal,
    identity,
    number,
    odd,
    part,
    several,
)
from provider_daemon.site_files.stream import FileStream
from provider_daemon.site_files.values import (
    Entry,
    Identity,
    Listing,
    ManifestEntry,
    NewFile,
    NotAllowed,
    NotThere,
    Skipped,
    SkipReason,
    Usage,
    Written,
)
from provider_daemon.slurm.transport import StreamingTransport

MAX_LISTING = 10_000
INPUTS = ("inputs",)
POLL_SECONDS = (0.25, 2.0)  # of a followed file: after new content, and at most
_TAIL = 1024 * 1024
_REASONS = frozenset(SkipReason)
_PROBLEMS: dict[str, type[NotThere | NotAllowed]] = {"not_there": NotThere, "not_allowed": NotAllowed}


LoginOf = Callable[[str], StreamingTransport]


class SiteFiles:
    """`root` in each method is an absolute directory. Its parents may be symbolic links; its last component
    may be one only if it ends with "/" (a directory of the operator, such as `work_root + "/"`).

    `path` is relative to the root; "" is the root itself. No symbolic link below the root is followed.
    Each method raises NotThere, NotAllowed, Transient (NoSpace, Changed) and Unreadable. `workers`:
    concurrent short requests of one user. A stream occupies a program at the site until its context is left.
    `login_of`: a root -> the login of the Unix user whose files are there; without it all are `transport`'s.
    """

    def __init__(
        self, transport: StreamingTransport, workers: int = WORKERS, login_of: LoginOf | None = None
    ) -> None:
        self._login_of = login_of or (lambda root: transport)
        self._workers = workers
        self._requests: dict[StreamingTransport, Requests] = {}

    def _at(self, root: str) -> Requests:
        login = self._login_of(root)
        if login not in self._requests:
            self._requests[login] = Requests(login, self._workers)
        return self._requests[login]

    async def close(self) -> None:
        """Ends the idle programs at the site. The logins stay open."""
        for requests in self._requests.values():
            await requests.close()

    async def list(self, root: str, path: str = "", after: str = "", limit: int = 1000) -> Listing:
        """Returns entries of one directory. `after`: the `path` of the last entry of the previous part.

        `limit` is at most MAX_LISTING.
        """
        name = after.removeprefix(f"{path}/") if path else after
        asked = {"path": path, "after": name, "limit": max(1, min(limit, MAX_LISTING))}
        found = await self._at(root).ask("list", root, **asked)
        match found:
            case {"entries": [*entries], "more": bool(more)}:
                return Listing(tuple(entry(each) for each in entries), more)
        raise odd("list", found)

    async def stat(self, root: str, path: str) -> Entry:
        return entry(await self._at(root).ask("stat", root, path=path))

    async def identity(self, root: str, path: str) -> Identity:
        return identity(await self._at(root).ask("identity", root, path=path))

    async def identities(
        self, root: str, path: str, names: Sequence[str]
    ) -> Sequence[Identity | type[NotThere | NotAllowed]]:
        """Returns the identity of each file of the directory `path`, or the failure that it would raise."""
        found = await self._at(root).ask("identities", root, path=path, names=[*names])
        return [_problem(each) or identity(each) for each in several("identities", found, len(names))]

    async def digests(self, root: str, path: str, names: Sequence[str]) -> Sequence[str | None]:
        """Returns the SHA-256 of each file of the directory `path`, None for what is not a file."""
        found = await self._at(root).ask("digests", root, path=path, names=[*names])
        return [
            None if _problem(each) else hexadecimal("digests", each)
            for each in several("digests", found, len(names))
        ]

    async def sha256(self, root: str, path: str) -> str:
        """Returns the hash of a regular file in hex. Raises Changed if the file is written to meanwhile."""
        return hexadecimal("sha256", await self._at(root).ask("sha256", root, path=path))

    async def space(self, root: str) -> int:
        """Returns the free bytes of the root's file system for the job user."""
        return number("space", await self._at(root).ask("space", root))

    async def usage(self, root: str, path: str = "", exclude: Iterable[str] = ()) -> Usage:
        found = await self._at(root).ask("usage", root, path=path, exclude=[*exclude])
        match found:
            case [size, inodes]:
                return Usage(number("usage", size), number("usage", inodes))
        raise odd("usage", found)

    @asynccontextmanager
    async def read(
        self, root: str, path: str, offset: int = 0, length: int | None = None, *, links: bool = False
    ) -> AsyncIterator[FileStream]:
        """Yields a stream of a file's content from `offset`, up to `length` bytes.

        It ends at the size that the file had when it was opened, however the file grows. `links`: also files
        with several hard links; below inputs/ these are always read.
        """
        stream = FileStream(self._at(root), {"root": root, "path": path, "links": links}, offset, length)
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
            new = await self._tail(root, path, offset)
            if new:
                offset += len(new)
                wait = poll_seconds[0]
                yield new
                if len(new) == _TAIL:
                    continue
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, poll_seconds[1])

    async def _tail(self, root: str, path: str, offset: int) -> bytes:
        asked = part({"root": root, "path": path, "links": False}, offset, _TAIL, whole=False)
        try:
            async with self._at(root).request("read", asked) as answer:
                return b"".join([each async for each in content(answer, _TAIL)])
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
            self._at(root).request("manifest", {"root": root, "exclude": [*exclude]}) as answer,
            aclosing(_manifest(answer)) as listed,
        ):
            yield listed

    @asynccontextmanager
    async def archive(
        self, root: str, exclude: Iterable[str] = INPUTS
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yields a PAX tar stream of the readable regular files and the directories below the root.

        Files that are missing or not whole are listed in its last member, `.provd-skipped.txt`. At most
        LONG_WORKERS archives and manifests are made at a time; others wait. A consumer that takes nothing
        for PATIENCE_SECONDS gets Abandoned.
        """
        async with (
            self._at(root).request("archive", {"root": root, "exclude": [*exclude]}) as answer,
            aclosing(content(answer)) as chunks,
        ):
            yield chunks

    async def make_directory(self, root: str, path: str) -> None:
        """Makes a directory and its missing parents with mode 0700; with "" the root and its parents."""
        await self._at(root).ask("make_directory", root, path=path)

    async def partial(self, root: str, path: str) -> int:
        """Returns the size of an interrupted write of the file: the offset at which it can continue."""
        return number("partial", await self._at(root).ask("partial", root, path=path))

    async def write(
        self,
        root: str,
        path: str,
        chunks: AsyncIterable[bytes],
        *,
        size: int | None,
        sha256: str | None,
        mode: int = 0o444,
        offset: int = 0,
    ) -> Written:
        """Stores a file: at its name is the old file or the whole new one. Missing parents get mode 0700.

        `offset`: `chunks` continue an interrupted write there. `size` and `sha256` are of the whole file;
        content that differs raises Mismatch and is removed. After any other failure, an exception of `chunks`
        included, what arrived stays for `partial`.
        """
        asked = {"size": size, "sha256": sha256, "mode": mode, "offset": offset}
        found = await self._at(root).upload("write", {"root": root, "path": path, **asked}, chunks)
        match found:
            case [stored, digest]:
                return Written(number("size", stored), hexadecimal("sha256", digest))
        raise odd("write", found)

    async def link(
        self, root: str, path: str, target: str, links: Iterable[tuple[str, str]]
    ) -> Sequence[Identity]:
        """Makes hard links from files in the directory `path` to names in the directory `target`.

        Returns the identity of each file after its link, when all are on disk. A link succeeds if the target
        is the same file already; another one is NotAllowed.
        """
        wanted = [[source, name] for source, name in links]
        found = await self._at(root).ask("link", root, path=path, target=target, links=wanted)
        return [identity(each) for each in several("link", found, len(wanted))]

    async def store(self, root: str, path: str, files: Sequence[NewFile]) -> Sequence[Identity]:
        """Stores small read-only files in the directory `path`, as `write` does. Returns their identities.

        All contents together are sent and held in memory at once. Raises Mismatch if something else arrived.
        """
        listed = [[file.name, len(file.content), file.sha256] for file in files]
        asked: dict[str, object] = {"root": root, "path": path, "files": listed}
        found = await self._at(root).upload("store", asked, _joined(files))
        return [identity(each) for each in several("store", found, len(files))]

    async def symlink(self, source: str, root: str, target: str) -> None:
        """Makes a symbolic link to an operator's file or directory. Raises NotThere without that."""
        await self._at(root).ask("symlink", root, path=target, source=source)

    async def remove(self, root: str, path: str) -> None:
        """Removes a file or a whole directory. What is absent is removed already."""
        await self._at(root).ask("remove", root, path=path)


def _problem(value: Any) -> type[NotThere | NotAllowed] | None:
    return _PROBLEMS.get(value) if isinstance(value, str) else None


async def _joined(files: Iterable[NewFile]) -> AsyncGenerator[bytes, None]:
    yield b"".join(file.content for file in files)


async def _manifest(answer: AsyncIterator[Any]) -> AsyncGenerator[ManifestEntry | Skipped, None]:
    async for item in answer:
        match item:
            case [None]:
                continue
            case [[*batch]]:
                for each in batch:
                    yield _listed(each)
            case _:
                raise odd("manifest", item)


def _listed(value: Any) -> ManifestEntry | Skipped:
    match value:
        case [str(path), size, sha256]:
            return ManifestEntry(path, number("size", size), hexadecimal("sha256", sha256))
        case [str(path), str(reason)] if reason in _REASONS:
            return Skipped(path, SkipReason(reason))
    raise odd("manifest", value)
