"""Opens files and directories below a root without following a symbolic link."""

import errno
import os
import stat
from contextlib import contextmanager
from typing import Callable, Dict, Iterator, List, Tuple

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
INPUTS = b"inputs"
Path = Tuple[bytes, ...]


class Failure(Exception):
    """A request that failed. `kind`: not_there, not_allowed, no_space, mismatch, changed or failed."""

    def __init__(self, kind: str, reason: str) -> None:
        Exception.__init__(self, kind, reason)
        self.kind = kind
        self.reason = reason


NOT_THERE = {errno.ENOENT, errno.ENAMETOOLONG}
NOT_ALLOWED: Dict[int, str] = {
    errno.EACCES: "permission denied",
    errno.EPERM: "operation not permitted",
    errno.EROFS: "read-only file system",
    errno.EISDIR: "is a directory",
    errno.ENOTDIR: "a part of the path is not a directory",
    errno.EEXIST: "exists already",
    errno.ELOOP: "is a symbolic link",
    errno.EXDEV: "is on another file system",
    errno.EMLINK: "has too many hard links",
    errno.ENOTEMPTY: "the directory is not empty",
}
NO_SPACE = {errno.ENOSPC: "the file system is full", errno.EDQUOT: "the disk quota is exhausted"}


def failure(error: OSError) -> Failure:
    number = error.errno or 0
    if number in NOT_THERE:
        return Failure("not_there", "no such file or directory")
    if number in NO_SPACE:
        return Failure("no_space", NO_SPACE[number])
    if number in NOT_ALLOWED:
        return Failure("not_allowed", NOT_ALLOWED[number])
    return Failure("failed", os.strerror(number) if number else type(error).__name__)


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def parse(text: str) -> Path:
    """Splits a path below a root. "" is the root."""
    if not text:
        return ()
    parts = tuple(encode(text).split(b"/"))
    if b"\0" in encode(text) or any(part in (b"", b".", b"..") for part in parts):
        raise Failure("not_allowed", "not a relative path without empty, '.' and '..' components")
    return parts


def text(path: Path) -> str:
    return decode(b"/".join(path))


@contextmanager
def root(directory: str) -> Iterator[int]:
    """Yields the handle of a root. Its last component is followed only if it ends with "/"."""
    name = encode(directory)
    if not name.startswith(b"/") or b"\0" in name:
        raise Failure("not_allowed", "the root is not an absolute path")
    try:
        handle = os.open(name, DIRECTORY if name.endswith(b"/") else DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Failure("not_allowed", "the root is not a directory, or is a symbolic link") from None
        raise
    try:
        yield handle
    finally:
        os.close(handle)


def enter(handle: int, name: bytes) -> int:
    """Opens a directory in the directory `handle`."""
    try:
        return os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            if stat.S_ISLNK(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
                raise Failure("not_allowed", "a part of the path is a symbolic link") from None
            raise Failure("not_there", "a part of the path is not a directory") from None
        raise


def descend(top: int, path: Path) -> int:
    """Returns a new handle of the directory `path` below the handle `top`."""
    handle = os.dup(top)
    for name in path:
        parent = handle
        try:
            handle = enter(parent, name)
        finally:
            os.close(parent)
    return handle


@contextmanager
def directory(top: int, path: Path) -> Iterator[int]:
    handle = descend(top, path)
    try:
        yield handle
    finally:
        os.close(handle)


def kind(status: os.stat_result, links: bool) -> str:
    """Returns "file", "directory", or why it is neither."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return "file" if links or status.st_nlink == 1 else "hard_link"
    for name, test in KINDS:
        if test(mode):
            return name
    return "unknown"


KINDS: List[Tuple[str, Callable[[int], bool]]] = [
    ("directory", stat.S_ISDIR),
    ("symbolic_link", stat.S_ISLNK),
    ("fifo", stat.S_ISFIFO),
    ("socket", stat.S_ISSOCK),
    ("device", stat.S_ISCHR),
    ("device", stat.S_ISBLK),
]


def links_allowed(path: Path) -> bool:
    return path[:1] == (INPUTS,)


def lstat(handle: int, name: bytes) -> os.stat_result:
    return os.stat(name, dir_fd=handle, follow_symlinks=False)


def open_file(handle: int, name: bytes, links: bool) -> Tuple[int, os.stat_result]:
    """Opens a regular file in the directory `handle`. It is checked before and after: a device may react."""
    _require_file(lstat(handle, name), links)
    opened = os.open(name, FILE, dir_fd=handle)
    try:
        status = os.fstat(opened)
        _require_file(status, links)
    except BaseException:
        os.close(opened)
        raise
    return opened, status


def _require_file(status: os.stat_result, links: bool) -> None:
    found = kind(status, links)
    if found != "file":
        raise Failure("not_allowed", "is not a regular file: %s" % found)


@contextmanager
def file(top: int, path: Path, links: bool) -> Iterator[Tuple[int, os.stat_result]]:
    if not path:
        raise Failure("not_allowed", "is a directory")
    with directory(top, path[:-1]) as handle:
        opened, status = open_file(handle, path[-1], links or links_allowed(path))
    try:
        yield opened, status
    finally:
        os.close(opened)
