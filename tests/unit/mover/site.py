"""A site's file system in memory, with inodes, and sources whose content can be cut."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from provider_daemon.errors import Transient
from provider_daemon.site_files.values import (
    Entry,
    Identity,
    Kind,
    Listing,
    ManifestEntry,
    Mismatch,
    NewFile,
    NotAllowed,
    NotThere,
    Skipped,
    Usage,
    Written,
)
from provider_daemon.sources.inputs import Input
from provider_daemon.sources.refusals import InputRefusal, InputRefused

PIECE = 4


class Killed(BaseException):
    """The process ends here."""


@dataclass(slots=True)
class Kill:
    """Counts the calls of I/O; at call number `at` and after it, nothing happens any more."""

    at: int = 0
    calls: int = 0
    check: Callable[[], None] = lambda: None

    def point(self) -> None:
        self.check()
        self.calls += 1
        if self.at and self.calls >= self.at:
            raise Killed


@dataclass(slots=True)
class Inode:
    content: bytes
    number: int
    mtime: int
    ctime: int


@dataclass(slots=True)
class FakeSite:
    """Files by absolute path. A directory is there if something is below it, or if it was made."""

    kill: Kill = field(default_factory=Kill)
    files: dict[str, Inode] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    down: Exception | None = None
    removed: list[str] = field(default_factory=list)
    hashed: list[str] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    _tick: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def put(self, path: str, content: bytes) -> None:
        now = next(self._tick)
        self.files[path] = Inode(content, now, now, now)

    def change(self, path: str, content: bytes, *, keep_mtime: bool = False) -> None:
        """Writes into the file, as a job does through its hard link."""
        inode = self.files[path]
        inode.content, inode.ctime = content, next(self._tick)
        inode.mtime = inode.mtime if keep_mtime else inode.ctime

    def below(self, directory: str) -> dict[str, bytes]:
        head = f"{directory}/"
        return {
            path.removeprefix(head): inode.content
            for path, inode in self.files.items()
            if path.startswith(head)
        }

    def there(self, directory: str) -> bool:
        return directory in self.directories or bool(self.below(directory))

    # --- mover.ports.Site ---

    def _point(self) -> None:
        self.kill.point()
        if self.down is not None:
            raise self.down

    def _file(self, root: str, path: str) -> Inode:
        try:
            return self.files[_joined(root, path)]
        except KeyError:
            raise NotThere("no such file or directory") from None

    async def list(self, root: str, path: str = "", after: str = "", limit: int = 1000) -> Listing:
        self._point()
        head = f"{_joined(root, path)}/"
        names = {
            each.removeprefix(head).partition("/")[0]
            for each in (*self.files, *self.directories)
            if each.startswith(head)
        }
        if not names and not self.there(head[:-1]):
            raise NotThere("no such file or directory")
        listed = sorted(f"{path}/{name}" if path else name for name in names)
        listed = [name for name in listed if name > after]
        entries = [self._entry(root, name) for name in listed[:limit]]
        return Listing(tuple(entries), len(listed) > limit)

    def _entry(self, root: str, path: str) -> Entry:
        inode = self.files.get(_joined(root, path))
        kind = Kind.DIRECTORY if inode is None else Kind.FILE
        return Entry(path, kind, len(inode.content) if inode else 0, inode.mtime if inode else 0)

    async def identities(
        self, root: str, path: str, names: Sequence[str]
    ) -> Sequence[Identity | type[NotThere | NotAllowed]]:
        self._point()
        found = [self.files.get(_joined(root, f"{path}/{name}")) for name in names]
        return [NotThere if inode is None else _identity(inode) for inode in found]

    async def digests(self, root: str, path: str, names: Sequence[str]) -> Sequence[str | None]:
        self._point()
        self.hashed += [_joined(root, f"{path}/{name}") for name in names]
        return [hashlib.sha256(self._file(root, f"{path}/{name}").content).hexdigest() for name in names]

    async def sha256(self, root: str, path: str) -> str:
        self._point()
        if self.there(_joined(root, path)):
            raise NotAllowed("is a directory")
        self.hashed.append(_joined(root, path))
        return hashlib.sha256(self._file(root, path).content).hexdigest()

    async def usage(self, root: str, path: str = "") -> Usage:
        self._point()
        if not self.there(_joined(root, path)):
            raise NotThere("the root does not exist")
        contents = self.below(_joined(root, path))
        return Usage(sum(map(len, contents.values())), len(contents) + 1)

    async def make_directory(self, root: str, path: str) -> None:
        self._point()
        self.directories.add(_joined(root, path))
        self._point()

    async def link(
        self, root: str, path: str, target: str, links: Iterable[tuple[str, str]]
    ) -> Sequence[Identity]:
        self._point()
        found = []
        for source, name in links:
            inode = self._file(root, f"{path}/{source}")
            inode.ctime = next(self._tick)
            self.files[_joined(root, f"{target}/{name}")] = inode
            found.append(inode)
            self.kill.point()
        self._point()
        return [_identity(inode) for inode in found]

    async def store(self, root: str, path: str, files: Sequence[NewFile]) -> Sequence[Identity]:
        self._point()
        self.stored.append(len(files))
        for file in files:
            assert hashlib.sha256(file.content).hexdigest() == file.sha256
            self.put(_joined(root, f"{path}/{file.name}"), file.content)
            self.kill.point()
        self._point()
        return [_identity(self._file(root, f"{path}/{file.name}")) for file in files]

    async def symlink(self, source: str, root: str, target: str) -> None:
        self._point()
        if source not in self.files and not self.there(source):
            raise NotThere("no such file or directory")
        self.links[_joined(root, target)] = source
        self._point()

    async def remove(self, root: str, path: str) -> None:
        self._point()
        where = _joined(root, path)
        if where not in self.files and not self.there(where):
            raise NotThere("no such file or directory")
        self.removed.append(where)
        for each in [each for each in self.files if each == where or each.startswith(f"{where}/")]:
            self.files.pop(each).ctime = next(self._tick)
            self.kill.point()  # a tree is not removed at once
        self.directories = {
            each for each in self.directories if each != where and not each.startswith(f"{where}/")
        }

    async def partial(self, root: str, path: str) -> int:
        self._point()
        return len(self.parts.get(_joined(root, path), b""))

    async def write(
        self,
        root: str,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        size: int | None,
        sha256: str | None,
        offset: int = 0,
    ) -> Written:
        self._point()
        where = _joined(root, path)
        self.parts[where] = self.parts.get(where, b"")[:offset]
        assert len(self.parts[where]) == offset
        async for chunk in chunks:
            self._point()
            self.parts[where] += chunk
        self._point()
        content = self.parts.pop(where)
        found = hashlib.sha256(content).hexdigest()
        if size not in (None, len(content)) or sha256 not in (None, found):
            raise Mismatch("not the declared content")
        self.put(where, content)
        self._point()
        return Written(len(content), found)

    @asynccontextmanager
    async def manifest(
        self, root: str, exclude: Iterable[str] = ("inputs",)
    ) -> AsyncIterator[AsyncIterator[ManifestEntry | Skipped]]:
        self._point()
        if not self.there(root):
            raise NotThere("the root does not exist")
        yield self._listed(root, tuple(exclude))

    async def _listed(self, root: str, exclude: tuple[str, ...]) -> AsyncIterator[ManifestEntry | Skipped]:
        for path, content in sorted(self.below(root).items()):
            self._point()
            if path.partition("/")[0] not in exclude:
                yield ManifestEntry(path, len(content), hashlib.sha256(content).hexdigest())
        for each in self.skipped:
            yield each

    @asynccontextmanager
    async def archive(
        self, root: str, exclude: Iterable[str] = ("inputs",)
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        self._point()
        if not self.there(root):
            raise NotThere("the root does not exist")
        yield self._packed(root, tuple(exclude))

    async def _packed(self, root: str, exclude: tuple[str, ...]) -> AsyncIterator[bytes]:
        for path, content in sorted(self.below(root).items()):
            self._point()
            if path.partition("/")[0] not in exclude:
                yield f"{path}:".encode() + content


def _identity(inode: Inode) -> Identity:
    return Identity(len(inode.content), inode.mtime, inode.ctime, inode.number)


def _joined(root: str, path: str) -> str:
    return f"{root.rstrip('/')}/{path}" if path else root.rstrip("/")


@dataclass(slots=True)
class FakeSources:
    """Content by URI. `cut`: how many pieces each of the next fetches brings before the connection ends."""

    content: dict[str, bytes] = field(default_factory=dict)
    kill: Kill = field(default_factory=Kill)
    cut: list[int] = field(default_factory=list)
    refused: dict[str, InputRefused] = field(default_factory=dict)
    fetched: list[tuple[str, int]] = field(default_factory=list)
    open: list[tuple[str, str]] = field(default_factory=list)
    moved: int = 0
    stalled: bool = False

    @asynccontextmanager
    async def fetch(
        self, source: Input, customer: str, offset: int = 0, *, hashing: bool = True
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        self.kill.point()
        self.fetched.append((source.uri, offset))
        if source.uri in self.refused:
            raise self.refused[source.uri]
        if source.uri not in self.content:
            raise Transient("connection refused")
        assert (customer, source.uri) not in self.open, "two fetches of one content at a time"
        self.open.append((customer, source.uri))
        try:
            yield self._pieces(self.content[source.uri], source, offset)
        finally:
            self.open.remove((customer, source.uri))

    async def uploaded(
        self, inputs: Sequence[Input], customer: str
    ) -> Sequence[bytes | InputRefused | Transient]:
        self.kill.point()
        return [self._uploaded(source) for source in inputs]

    def _uploaded(self, source: Input) -> bytes | InputRefused | Transient:
        self.fetched.append((source.uri, 0))
        content = self.content.get(source.uri)
        if content is None:
            return Transient("not uploaded")
        self.moved += len(content)
        return self.refused.get(source.uri, content)

    async def _pieces(self, content: bytes, source: Input, offset: int) -> AsyncIterator[bytes]:
        pieces = self.cut.pop(0) if self.cut else -1
        for start in range(offset, len(content), PIECE):
            if pieces == 0:
                raise Transient("the connection ended within the content")
            pieces -= 1
            await asyncio.sleep(0)  # other tasks run meanwhile
            if self.stalled:
                await asyncio.Event().wait()
            self.kill.point()
            self.moved += len(content[start : start + PIECE])
            yield content[start : start + PIECE]
        if offset == 0 and source.sha256 not in (None, hashlib.sha256(content).hexdigest()):
            raise InputRefused(InputRefusal.WRONG_CHECKSUM, f"{source.name}: wrong checksum")
