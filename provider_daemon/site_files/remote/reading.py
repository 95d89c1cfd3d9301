"""Requests that read one file or one directory."""

import errno
import hashlib
import heapq
import os
from typing import Any, Dict, Iterator, List

from provider_daemon.site_files.remote import beneath
from provider_daemon.site_files.remote.beneath import Failure
from provider_daemon.site_files.remote.wire import PIECE, Wire

Asked = Dict[str, Any]
TRUNCATED = "the file was truncated while it was read"


def entries(wire: Wire, asked: Asked) -> Any:
    """list: the entries of a directory whose names follow `after`, in the order of their bytes."""
    path, after = beneath.parse(asked["path"]), beneath.encode(asked["after"])
    found: List[Any] = []
    with beneath.root(asked["root"]) as top, beneath.directory(top, path) as handle:
        # One name more than asked for shows whether there are more.
        names = heapq.nsmallest(
            asked["limit"] + 1, (each for each in map(os.fsencode, os.listdir(handle)) if each > after)
        )
        for name in names[: asked["limit"]]:
            try:
                status = beneath.lstat(handle, name)
            except FileNotFoundError:
                continue
            found.append(entry((*path, name), status))
    return {"entries": found, "more": len(names) > asked["limit"]}


def entry(path: beneath.Path, status: os.stat_result) -> Any:
    kind = beneath.kind(status, beneath.links_allowed(path))
    shown = kind if kind in ("file", "directory") else "other"
    return [beneath.text(path), shown, status.st_size, int(status.st_mtime)]


def status(wire: Wire, asked: Asked) -> Any:
    """stat: an entry, without opening it."""
    path = beneath.parse(asked["path"])
    with beneath.root(asked["root"]) as top:
        if not path:
            return entry(path, os.fstat(top))
        with beneath.directory(top, path[:-1]) as handle:
            return entry(path, beneath.lstat(handle, path[-1]))


def identity(wire: Wire, asked: Asked) -> Any:
    with beneath.root(asked["root"]) as top:
        with beneath.file(top, beneath.parse(asked["path"]), links=True) as (_, status):
            return same(status)


def same(status: os.stat_result) -> List[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def read(wire: Wire, asked: Asked) -> Any:
    """read: first a value [size, mtime_ns, ctime_ns, inode], then the content of a part of the file.

    The part ends at the size that the file had when it was opened. `inode`, if it is set, is that of an
    earlier part. `whole`: an end before that size is an error; otherwise the content ends there.
    """
    with beneath.root(asked["root"]) as top:
        with beneath.file(top, beneath.parse(asked["path"]), asked["links"]) as (opened, status):
            if asked["inode"] not in (0, status.st_ino):
                raise Failure("changed", "the file was replaced while it was read")
            # Later parts lie within the size at the first one.
            if asked["inode"] and asked["offset"] + asked["length"] > status.st_size:
                raise Failure("changed", TRUNCATED)
            wire.value(same(status))
            size = min(asked["length"], max(0, status.st_size - asked["offset"]))
            sent = 0
            for piece in pieces(opened, asked["offset"], size):
                wire.data(piece)
                sent += len(piece)
    if sent < size and asked["whole"]:
        raise Failure("changed", TRUNCATED)
    return None


def pieces(opened: int, offset: int, size: int, piece: int = PIECE) -> Iterator["memoryview"]:
    """Yields views of one buffer: each is valid until the next."""
    buffer = memoryview(bytearray(min(piece, max(size, 1))))
    os.lseek(opened, offset, os.SEEK_SET)
    while size > 0:
        got = os.readv(opened, [buffer[: min(len(buffer), size)]])
        if not got:
            return
        yield buffer[:got]
        size -= got


def digest(wire: Wire, asked: Asked) -> Any:
    """sha256: the hash of a whole file."""
    with beneath.root(asked["root"]) as top:
        with beneath.file(top, beneath.parse(asked["path"]), links=True) as (opened, status):
            return hashed(wire, opened, status)[1]


def hashed(wire: Wire, opened: int, before: os.stat_result) -> Any:
    """Returns (size, SHA-256 in hex). Raises Failure if the file changes meanwhile."""
    total, sha = 0, hashlib.sha256()
    for piece in pieces(opened, 0, before.st_size, 1024 * 1024):
        sha.update(piece)
        total += len(piece)
        wire.working()
    if total != before.st_size or same(os.fstat(opened))[:2] != same(before)[:2]:
        raise Failure("changed", "the file changed while it was read")
    return total, sha.hexdigest()


def space(wire: Wire, asked: Asked) -> Any:
    with beneath.root(asked["root"]) as top:
        found = os.statvfs(top)
        return found.f_bavail * found.f_frsize


def reason(error: Exception) -> str:
    """Returns the reason for skipping a file in a walk. Raises what concerns more than one file."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            return "gone"  # or replaced between two looks
        if error.errno in (errno.EACCES, errno.EPERM):
            return "unreadable"
        raise error
    if isinstance(error, Failure) and error.kind == "changed":
        return "changed"
    if isinstance(error, Failure) and error.kind in ("not_allowed", "not_there"):
        return "gone"
    raise error
