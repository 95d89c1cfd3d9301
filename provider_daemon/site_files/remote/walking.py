"""Requests about whole trees. A walk never follows a symbolic link and has few open handles at any depth."""

import os
import sys
from contextlib import contextmanager
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Set, Tuple

from provider_daemon.site_files.remote import beneath
from provider_daemon.site_files.remote.beneath import Failure, Path
from provider_daemon.site_files.remote.reading import hashed, reason
from provider_daemon.site_files.remote.wire import Wire

MAX_DEPTH = 2048  # directories
MAX_PATH = 64 * 1024  # bytes
HANDLES = 64  # directories kept open; deeper parents are opened again from the root
BATCH = 64 * 1024  # characters of paths in one value
# A file of holes costs no disk and no quota, but hours to read. Compressed file systems show holes too.
HOLES, HOLES_PER_BYTE = 64 * 2**30, 16

Found = NamedTuple("Found", [("path", Path), ("handle", int), ("kind", str), ("status", os.stat_result)])


class Holes:
    """Says which files are left out: holes may have HOLES bytes and HOLES_PER_BYTE times the rest."""

    def __init__(self) -> None:
        self._holes = self._stored = 0

    def refuses(self, status: os.stat_result) -> bool:
        stored = min(status.st_size, status.st_blocks * 512)
        holes = status.st_size - stored
        if self._holes + holes > HOLES + HOLES_PER_BYTE * (self._stored + stored):
            return True
        self._holes += holes
        self._stored += stored
        return False


class _Level:
    """A directory that is being walked. `handle` is None while it is closed."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.status = os.fstat(handle)
        self.handle: Optional[int] = handle
        self.names: List[Tuple[bytes, bytes]] = []

    def opened(self, top: int) -> int:
        if self.handle is None:
            self.handle = beneath.descend(top, self.path)
        return self.handle


def walk(
    top: int, start: Path, exclude: FrozenSet[Path], links: bool, working: Callable[[], None]
) -> Iterator[Found]:
    """Yields everything below `start`, in the order of the bytes of the whole path.

    A directory precedes its content. Kinds besides those of beneath.kind: unreadable (a directory that cannot
    be read), too_deep. The handle is that of the parent, and valid until the next.
    """
    levels = [_opened(beneath.descend(top, start), start, working)]
    try:
        while levels:
            level = levels[-1]
            if not level.names:
                _close(levels.pop())
                continue
            path = (*level.path, level.names.pop()[1])
            if path in exclude:
                continue
            try:
                found = _look(level.opened(top), path, links)
            except (OSError, Failure) as error:  # the directory was closed to us, moved or replaced
                level.names = []
                yield Found(level.path, -1, reason(error), level.status)
                continue
            if found is None:
                continue
            if found.kind != "directory":
                yield found
                continue
            child = _entered(found.handle, path, len(path) - len(start), working)
            if isinstance(child, str):
                yield found._replace(kind=child)
                continue
            yield found
            levels.append(child)
            if len(levels) > HANDLES:
                _close(levels[-1 - HANDLES])
    finally:
        for level in levels:
            _close(level)


def _look(handle: int, path: Path, links: bool) -> Optional[Found]:
    try:
        status = beneath.lstat(handle, path[-1])
    except FileNotFoundError:
        return None
    return Found(path, handle, beneath.kind(status, links or beneath.links_allowed(path)), status)


def _entered(handle: int, path: Path, depth: int, working: Callable[[], None]) -> Any:
    """Returns a _Level, or why the directory is not entered."""
    if depth > MAX_DEPTH or sum(map(len, path)) + len(path) > MAX_PATH:
        return "too_deep"
    try:
        return _opened(beneath.enter(handle, path[-1]), path, working)
    except (OSError, Failure) as error:
        return reason(error)


def _opened(handle: int, path: Path, working: Callable[[], None]) -> _Level:
    """The names are in reverse order. A directory's sort key ends with "/", like the paths below it."""
    level = _Level(path, handle)
    try:
        for name, is_directory in _names(handle):
            level.names.append((name + b"/" if is_directory else name, name))
            working()
    except BaseException:
        os.close(handle)
        raise
    level.names.sort(reverse=True)
    return level


def _names(handle: int) -> Iterator[Tuple[bytes, bool]]:
    """Yields name and whether it is a directory. Python 3.6 cannot scan a handle."""
    if sys.version_info >= (3, 7):
        with os.scandir(handle) as entries:
            for entry in entries:
                yield os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)
    else:
        for name in map(os.fsencode, os.listdir(handle)):
            try:
                found = beneath.kind(beneath.lstat(handle, name), links=True)
            except FileNotFoundError:
                continue
            yield name, found == "directory"


def _close(level: _Level) -> None:
    if level.handle is not None:
        os.close(level.handle)
        level.handle = None


def excluded(asked: Dict[str, Any]) -> FrozenSet[Path]:
    return frozenset(beneath.parse(each) for each in asked["exclude"])


def manifest(wire: Wire, asked: Dict[str, Any]) -> Any:
    """manifest: batches of [path, size, sha256] for readable regular files, [path, reason] for others."""
    batch: List[List[Any]] = []
    size = 0
    holes = Holes()
    with beneath.root(asked["root"]) as top:
        for found in walk(top, (), excluded(asked), False, wire.working):
            wire.working()
            if found.kind == "directory":
                continue
            path = beneath.text(found.path)
            batch.append([path, *_listed(wire, found, holes)])
            size += len(path) + 100
            if size > BATCH:
                wire.value(batch)
                batch, size = [], 0
    wire.value(batch)
    return None


def _listed(wire: Wire, found: Found, holes: Holes) -> List[Any]:
    if found.kind != "file":
        return [found.kind]
    if holes.refuses(found.status):
        return ["sparse"]
    try:
        with opened(found) as (handle, status):
            return list(hashed(wire, handle, status))
    except (OSError, Failure) as error:
        return [reason(error)]


@contextmanager
def opened(found: Found) -> Iterator[Tuple[int, os.stat_result]]:
    """Opens a file of a walk."""
    handle, status = beneath.open_file(found.handle, found.path[-1], beneath.links_allowed(found.path))
    try:
        yield handle, status
    finally:
        os.close(handle)


def usage(wire: Wire, asked: Dict[str, Any]) -> Any:
    """usage: [allocated bytes, inodes] of a tree with its top; an inode with several links counts once."""
    path = beneath.parse(asked["path"])
    seen: Set[Tuple[int, int]] = set()
    with beneath.root(asked["root"]) as top:
        with beneath.directory(top, path) as handle:
            size, inodes = os.fstat(handle).st_blocks * 512, 1
        for found in walk(top, path, excluded(asked), True, wire.working):
            wire.working()
            status = found.status
            if found.kind != "directory" and status.st_nlink > 1:
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
            size += status.st_blocks * 512
            inodes += 1
    return [size, inodes]
