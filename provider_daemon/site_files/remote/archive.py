"""The request "archive": a PAX tar stream of a tree."""

import json
import os
from typing import Any, Dict, List, Tuple

from provider_daemon.site_files.remote import beneath
from provider_daemon.site_files.remote.beneath import Failure
from provider_daemon.site_files.remote.reading import pieces, reason
from provider_daemon.site_files.remote.walking import Found, Holes, excluded, opened, walk
from provider_daemon.site_files.remote.wire import PIECE, Wire

BLOCK = 512
SKIPPED = ".provd-skipped.txt"
MAX_SKIPPED = 100000
PLAIN_SIZE = 8**11  # a ustar header has 11 octal digits for it


class _Tar:
    """Collects small pieces, so that a thousand small files need few writes."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._waiting = bytearray()

    def add(self, data: Any) -> None:
        self._waiting += data
        if len(self._waiting) >= PIECE:
            self.flush()

    def flush(self) -> None:
        whole, self._waiting = memoryview(self._waiting), bytearray()
        for start in range(0, len(whole), PIECE):
            self._wire.data(whole[start : start + PIECE])

    def direct(self, data: "memoryview") -> None:
        """Sends a large piece without a copy."""
        if self._waiting:
            self.flush()
        self._wire.data(data)


def archive(wire: Wire, asked: Dict[str, Any]) -> Any:
    """archive: content, then the number of files that are not in it, or not whole.

    The last member lists them, if there are any. A file that is truncated while it is read is filled up.
    """
    tar = _Tar(wire)
    skipped: List[Tuple[str, str]] = []
    holes = Holes()
    with beneath.root(asked["root"]) as top:
        for found in walk(top, (), excluded(asked), False, wire.working):
            wire.working()
            why = _member(tar, found, holes)
            if why:
                skipped.append((beneath.text(found.path), why))
    if skipped:
        lines = ["%s %s\n" % (why, json.dumps(path)) for path, why in skipped[:MAX_SKIPPED]]
        text = "".join(lines).encode("ascii")
        tar.add(header(SKIPPED.encode("ascii"), b"0", 0o644, len(text), 0))
        tar.add(text + _padding(len(text)))
    tar.add(bytes(2 * BLOCK))
    tar.flush()
    return len(skipped)


def _member(tar: _Tar, found: Found, holes: Holes) -> str:
    """Adds a member. Returns why it is missing or not whole, or ""."""
    name, status = b"/".join(found.path), found.status
    if found.kind == "directory":
        tar.add(header(name + b"/", b"5", status.st_mode & 0o777 | 0o700, 0, int(status.st_mtime)))
        return ""
    if found.kind != "file":
        return found.kind
    if holes.refuses(found.status):
        return "sparse"
    try:
        with opened(found) as (handle, now):
            return _content(tar, name, handle, now)
    except (OSError, Failure) as error:
        return reason(error)


def _content(tar: _Tar, name: bytes, handle: int, status: os.stat_result) -> str:
    """A failure after the header does not end the archive: the member has the size that was announced."""
    tar.add(header(name, b"0", status.st_mode & 0o777, status.st_size, int(status.st_mtime)))
    rest, why = status.st_size, ""
    send = tar.add if status.st_size < PIECE else tar.direct
    try:
        for piece in pieces(handle, 0, status.st_size):
            send(piece)
            rest -= len(piece)
    except OSError:
        why = "unreadable"
    if rest:
        why = why or "changed"
    while rest:
        filled = min(rest, PIECE)
        tar.add(bytes(filled))
        rest -= filled
    tar.add(_padding(status.st_size))
    return why


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def header(name: bytes, kind: bytes, mode: int, size: int, mtime: int) -> bytes:
    """Returns the header of a member. Owner and group are left out: they mean nothing elsewhere."""
    plain = len(name) <= 100 and size < PLAIN_SIZE and 0 <= mtime < PLAIN_SIZE
    if not plain or any(byte > 126 for byte in name):
        return _extended(name, kind, mode, size, mtime)
    start = name.ljust(100, b"\0") + b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, 0, 0, size, mtime)
    end = b"%b%bustar\00000%b" % (kind, bytes(100), bytes(247))
    return start + b"%06o\0 " % (sum(start) + 8 * 32 + sum(end)) + end


def _extended(name: bytes, kind: bytes, mode: int, size: int, mtime: int) -> bytes:
    """Returns a PAX header: for long names, names that are not ASCII, and large sizes."""
    import tarfile

    info = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
    info.type, info.mode, info.size, info.mtime = kind, mode, size, mtime
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
