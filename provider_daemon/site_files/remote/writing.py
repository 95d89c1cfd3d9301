"""Requests that change files. A partial file beside its target replaces the target when it is whole."""

import contextlib
import errno
import hashlib
import os
import stat
import threading
from typing import Any, Dict, List, Optional

from provider_daemon.site_files.remote import beneath
from provider_daemon.site_files.remote.beneath import Failure, Path
from provider_daemon.site_files.remote.reading import pieces
from provider_daemon.site_files.remote.wire import Wire

Asked = Dict[str, Any]
SYNC_BYTES = 64 * 1024 * 1024
O_PATH = getattr(os, "O_PATH", 0o10000000)
REMOVALS = 100  # attempts to empty one directory, into which a process may still write


def partial_name(name: bytes) -> bytes:
    """Returns the name of the partial file; its length does not depend on the name's."""
    return b".provd-partial-" + hashlib.sha256(name).hexdigest()[:32].encode("ascii")


def _target(asked: Asked) -> Path:
    path = beneath.parse(asked["path"])
    if not path:
        raise Failure("not_allowed", "is the root directory")
    return path


def make(top: int, path: Path) -> int:
    """Returns a handle of the directory `path`; it and its parents are made with mode 0700 where missing."""
    handle = os.dup(top)
    for name in path:
        parent = handle
        try:
            try:
                handle = beneath.enter(parent, name)
            except FileNotFoundError:
                os.mkdir(name, 0o700, dir_fd=parent)
                handle = beneath.enter(parent, name)
        finally:
            os.close(parent)
    return handle


def make_directory(wire: Wire, asked: Asked) -> Any:
    """make_directory: also the root itself, where `path` is empty."""
    path = beneath.parse(asked["path"])
    if not path:
        os.makedirs(beneath.encode(asked["root"]), 0o700, exist_ok=True)
    with beneath.root(asked["root"]) as top:
        os.close(make(top, path))


def partial(wire: Wire, asked: Asked) -> Any:
    """partial: how many bytes of an interrupted write are there."""
    path = _target(asked)
    with beneath.root(asked["root"]) as top:
        try:
            with beneath.directory(top, path[:-1]) as handle:
                status = beneath.lstat(handle, partial_name(path[-1]))
        except FileNotFoundError:
            return 0
    return status.st_size if _continues(status) else 0


def _continues(status: os.stat_result) -> bool:
    """Whether a partial file is one that provd wrote: a link or another user's file is not continued."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid()


def write(wire: Wire, asked: Asked) -> Any:
    """write: [size, sha256] of the whole file, after the content. `size` and `sha256` may be null.

    `offset` bytes of an interrupted write are kept, and what follows them is replaced.
    """
    path = _target(asked)
    try:
        with beneath.root(asked["root"]) as top:
            handle = make(top, path[:-1])
            try:
                return _write(wire, asked, handle, path[-1])
            finally:
                os.close(handle)
    except (OSError, Failure) as error:
        found = beneath.failure(error) if isinstance(error, OSError) else error
        wire.error(found.kind, found.reason)
        while True:  # the client may be sending content: it closes the stream, which raises Cut
            wire.content()


def _write(wire: Wire, asked: Asked, handle: int, name: bytes) -> Any:
    part = partial_name(name)
    opened = open_partial(handle, part, asked["offset"])
    try:
        syncs = _Syncs(opened)
        try:
            found = _receive(wire, asked, opened, syncs)
        finally:
            syncs.finish()
        if asked["size"] not in (None, found[0]) or asked["sha256"] not in (None, found[1]):
            raise Failure("mismatch", "received %d bytes with SHA-256 %s" % tuple(found))
        os.fchmod(opened, asked["mode"])
        os.fsync(opened)
        os.rename(part, name, src_dir_fd=handle, dst_dir_fd=handle)
        os.fsync(handle)
        return found
    except Failure as error:
        if error.kind == "mismatch":
            os.unlink(part, dir_fd=handle)
        raise
    finally:
        os.close(opened)


def open_partial(handle: int, part: bytes, offset: int) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    if not offset:
        # Never truncated in place: a job may have put a second name of another file there.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=handle)
        return os.open(part, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=handle)
    opened = os.open(part, flags, dir_fd=handle)
    status = os.fstat(opened)
    if not _continues(status) or status.st_size < offset:
        os.close(opened)
        raise Failure("not_allowed", "the partial file cannot be continued at %d" % offset)
    os.ftruncate(opened, offset)
    return opened


class _Syncs:
    """Sends content to the disk while more arrives, so that the last sync is short."""

    def __init__(self, opened: int) -> None:
        self._opened = opened
        self._waiting = 0
        self._thread: Optional[threading.Thread] = None
        self._error: Optional[OSError] = None

    def wrote(self, size: int) -> None:
        self._waiting += size
        if self._waiting >= SYNC_BYTES and not (self._thread and self._thread.is_alive()):
            self._waiting = 0
            self.finish()
            self._thread = threading.Thread(target=self._sync, daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Raises OSError: the system reports a failed write to one sync only."""
        if self._thread:
            self._thread.join()
        if self._error:
            raise self._error

    def _sync(self) -> None:
        try:
            os.fdatasync(self._opened)
        except OSError as error:
            self._error = error


def _receive(wire: Wire, asked: Asked, opened: int, syncs: _Syncs) -> List[Any]:
    total, sha = asked["offset"], hashlib.sha256()
    for piece in pieces(opened, 0, total, 1024 * 1024):
        sha.update(piece)
        wire.working()
    os.lseek(opened, total, os.SEEK_SET)
    while True:
        content = wire.content()
        if not content:
            return [total, sha.hexdigest()]
        total += len(content)
        if asked["size"] is not None and total > asked["size"]:
            raise Failure("mismatch", "received more than %d bytes" % asked["size"])
        sha.update(content)
        write_all(opened, memoryview(content))
        syncs.wrote(len(content))


def write_all(opened: int, content: "memoryview") -> None:
    while content:
        content = content[os.write(opened, content) :]


def symlink(wire: Wire, asked: Asked) -> Any:
    """symlink: a symbolic link at `path` to `source`, an existing absolute path of the operator's."""
    path, source = _target(asked), beneath.encode(asked["source"])
    if not source.startswith(b"/") or b"\0" in source:
        raise Failure("not_allowed", "the source is not an absolute path")
    os.stat(source)
    with beneath.root(asked["root"]) as top:
        handle = make(top, path[:-1])
        try:
            os.symlink(source, path[-1], dir_fd=handle)
        finally:
            os.close(handle)


def remove(wire: Wire, asked: Asked) -> Any:
    """remove: a file, or a directory with everything in it. What is absent already is removed."""
    path = _target(asked)
    with beneath.root(asked["root"]) as top:
        try:
            with beneath.directory(top, path[:-1]) as handle:
                if _unlinked(handle, path[-1]):
                    return
            _remove_tree(wire, top, path)
        except FileNotFoundError:
            return


def _unlinked(handle: int, name: bytes) -> bool:
    """Returns False for a directory."""
    try:
        os.unlink(name, dir_fd=handle)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM, errno.EACCES):
            raise
        if stat.S_ISDIR(beneath.lstat(handle, name).st_mode):
            return False
        raise
    return True


def _remove_tree(wire: Wire, top: int, path: Path) -> None:
    """Removes a directory depth first. Each is opened from the root: depth needs no handles."""
    waiting, refilled = [path], 0
    while waiting:
        current = waiting[-1]
        below = _emptied(wire, top, current)
        if below:
            waiting += [(*current, name) for name in below]
            continue
        with beneath.directory(top, current[:-1]) as parent:
            try:
                os.rmdir(current[-1], dir_fd=parent)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:  # a process that is left over may add files
                    raise
                refilled += 1
                if refilled == REMOVALS:
                    raise Failure("changed", "a process keeps writing into it") from None
                wire.working()
                continue
        waiting.pop()


def _emptied(wire: Wire, top: int, path: Path) -> List[bytes]:
    """Removes the files of a directory, and returns the names of its directories."""
    below = []
    with beneath.directory(top, path[:-1]) as parent:
        _open_up(parent, path[-1])
    with beneath.directory(top, path) as handle:
        for name in map(os.fsencode, os.listdir(handle)):
            wire.working()
            if not _unlinked(handle, name):
                below.append(name)
    return below


def _open_up(parent: int, name: bytes) -> None:
    """Gives the owner access to a directory, through a handle: a link in its place is not followed."""
    handle = os.open(name, O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
    try:
        if os.fstat(handle).st_mode & 0o700 != 0o700:
            os.chmod("/proc/self/fd/%d" % handle, 0o700)
    finally:
        os.close(handle)
