"""Requests about many files of one directory: few answers, and few waits for the disk."""

import hashlib
import os
from typing import Any, Callable, Dict, List, Tuple

from provider_daemon.site_files.remote import beneath
from provider_daemon.site_files.remote.beneath import Failure
from provider_daemon.site_files.remote.reading import hashed, same
from provider_daemon.site_files.remote.wire import Wire
from provider_daemon.site_files.remote.writing import make, open_partial, partial_name, write_all

Asked = Dict[str, Any]
# A file system commits the syncs of several threads together. Files of one group are open at the same time.
SYNCS, GROUP = 32, 500


def _name(text: str) -> bytes:
    path = beneath.parse(text)
    if len(path) != 1:
        raise Failure("not_allowed", "is not the name of a file")
    return path[0]


def identities(wire: Wire, asked: Asked) -> Any:
    """identities: for each of `names`, [size, mtime_ns, ctime_ns, inode] or why it has none."""
    return _each(wire, asked, lambda opened, status: same(status))


def digests(wire: Wire, asked: Asked) -> Any:
    """digests: for each of `names`, its SHA-256 or why it has none."""
    return _each(wire, asked, lambda opened, status: hashed(wire, opened, status)[1])


def _each(wire: Wire, asked: Asked, work: Callable[[int, os.stat_result], Any]) -> List[Any]:
    """Returns what `work` returns for each file; "not_there" or "not_allowed" for what is not a file.

    Without the directory, no file is there.
    """
    names = [_name(each) for each in asked["names"]]
    with beneath.root(asked["root"]) as top:
        try:
            handle = beneath.descend(top, beneath.parse(asked["path"]))
        except FileNotFoundError:
            return ["not_there" for _ in names]
        try:
            return [_found(wire, handle, name, work) for name in names]
        finally:
            os.close(handle)


def _found(wire: Wire, handle: int, name: bytes, work: Callable[[int, os.stat_result], Any]) -> Any:
    wire.working()
    try:
        opened, status = beneath.open_file(handle, name, True)
        try:
            return work(opened, status)
        finally:
            os.close(opened)
    except (OSError, Failure) as error:
        found = beneath.failure(error) if isinstance(error, OSError) else error
        if found.kind not in ("not_there", "not_allowed"):
            raise
        return found.kind


def store(wire: Wire, asked: Asked) -> Any:
    """store: [size, mtime_ns, ctime_ns, inode] of each of `files`, after their contents one after the other.

    `files`: [name, size, sha256]. Each name is the old file or the whole new one, on disk, at any time.
    """
    content = _content(wire)
    files = [(_name(name), size, sha256) for name, size, sha256 in asked["files"]]
    if len(content) != sum(size for _, size, _ in files):
        raise Failure("mismatch", "received %d bytes" % len(content))
    found: List[Any] = []
    with beneath.root(asked["root"]) as top:
        handle = make(top, beneath.parse(asked["path"]))
        try:
            for start in range(0, len(files), GROUP):
                wire.working()
                group = files[start : start + GROUP]
                found += _stored(handle, group, content)
                content = content[sum(size for _, size, _ in group) :]
            os.fsync(handle)
        finally:
            os.close(handle)
    return found


def _content(wire: Wire) -> "memoryview":
    content = bytearray()
    while True:
        piece = wire.content()
        if not piece:
            return memoryview(content)
        content += piece


def _stored(handle: int, files: List[Tuple[bytes, int, str]], content: "memoryview") -> List[Any]:
    from concurrent.futures import ThreadPoolExecutor  # seldom needed, and slow to import

    opened: List[int] = []
    try:
        at = 0
        for name, size, sha256 in files:
            piece = content[at : at + size]
            at += size
            if hashlib.sha256(piece).hexdigest() != sha256:
                raise Failure("mismatch", "received other content for %s" % beneath.decode(name))
            opened.append(open_partial(handle, partial_name(name), 0))
            write_all(opened[-1], piece)
            os.fchmod(opened[-1], 0o444)
        with ThreadPoolExecutor(SYNCS) as pool:
            list(pool.map(os.fsync, opened))
        for name, _, _ in files:
            os.rename(partial_name(name), name, src_dir_fd=handle, dst_dir_fd=handle)
        return [same(os.fstat(each)) for each in opened]
    finally:
        for each in opened:
            os.close(each)


def link(wire: Wire, asked: Asked) -> Any:
    """link: [size, mtime_ns, ctime_ns, inode] of each source, after all `links` are made and on disk.

    `links`: [name in `path`, name in `target`]. A target that is the same file already is left as it is.
    """
    links = [(_name(source), _name(name)) for source, name in asked["links"]]
    with beneath.root(asked["root"]) as top:
        with beneath.directory(top, beneath.parse(asked["path"])) as here:
            there = make(top, beneath.parse(asked["target"]))
            try:
                found = [_linked(wire, here, source, there, name) for source, name in links]
                os.fsync(there)
            finally:
                os.close(there)
    return found


def _linked(wire: Wire, here: int, source: bytes, there: int, target: bytes) -> List[int]:
    wire.working()
    opened, status = beneath.open_file(here, source, True)
    try:
        _link(here, source, there, target, status)
        return same(os.fstat(opened))
    finally:
        os.close(opened)


def _link(here: int, source: bytes, there: int, target: bytes, status: os.stat_result) -> None:
    made = True
    try:
        os.link(source, target, src_dir_fd=here, dst_dir_fd=there, follow_symlinks=False)
    except FileExistsError:
        made = False
    found = beneath.lstat(there, target)
    if (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino):
        return
    if made:  # the source was replaced after it was checked
        os.unlink(target, dir_fd=there)
        raise Failure("changed", "the source was replaced while it was linked")
    raise Failure("not_allowed", "the target exists already")
