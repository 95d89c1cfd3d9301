"""Unpacks a tar archive while it arrives. Only files that a manifest lists are written, with that content.

Memory stays flat whatever the archive holds: tarfile keeps headers in memory, so their bytes are limited.
"""

import asyncio
import hashlib
import io
import os
import tarfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING

from provider_daemon.client.places import Places, part_of
from provider_daemon.client.verify import ResultFile
from provider_daemon.errors import Transient

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ = 1024 * 1024
HEADERS = 1024 * 1024  # bytes of one member's headers
SMALL = 64 * 1024  # bytes up to which a file is checked in memory before it is written


class Source(io.RawIOBase):
    """Gives the archive's bytes to tarfile, which reads in a thread. Raises what the connection raises."""

    def __init__(self, chunks: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._chunks = chunks
        self._loop = loop
        self._left = memoryview(b"")
        self._allowed = 0

    def allow(self, count: int) -> None:
        """Sets how many bytes may be read until the next call. A read beyond them raises ReadError."""
        self._allowed = count

    def readable(self) -> bool:
        return True

    def readinto(self, target: "WriteableBuffer") -> int:
        if not self._left:
            chunk = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            self._left = memoryview(chunk)
        view = memoryview(target).cast("B")
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        self._allowed -= count
        if self._allowed < 0:
            raise tarfile.ReadError(f"a member has more than {HEADERS} bytes of headers")
        return count

    async def _next(self) -> bytes:
        return await anext(self._chunks, b"")


def unpack(
    source: Source,
    wanted: Mapping[str, ResultFile],
    places: Places,
    show: Callable[[int], None],
    saved: set[str],
) -> None:
    """Writes the wanted files, by path; links, other paths and other sizes are left out.

    `show` gets the bytes that were written, `saved` the paths of files that are whole and have their hash.
    Raises Transient for an archive that is damaged or ends early.
    """
    done = 0
    try:
        with tarfile.open(
            fileobj=_buffered(source), mode="r|", encoding="utf-8", errors="surrogateescape"
        ) as archive:
            for member in _members(archive, source):
                file = wanted.get(member.name.removeprefix("./"))
                if file is None or not member.isreg() or member.size != file.size:
                    continue
                content = archive.extractfile(member)
                assert content is not None, "a regular file has content"
                small = file.size <= SMALL
                if file.path not in saved and (
                    _store(content.read(), file, places) if small else _save(content, file, places)
                ):
                    saved.add(file.path)
                done += file.size
                show(done)
    except (tarfile.TarError, ValueError, ArithmeticError, RecursionError) as error:
        raise Transient(f"the archive ended early or is damaged: {error}") from error


def _store(content: bytes, file: ResultFile, places: Places) -> bool:
    """Writes a small file if it has the listed hash. A thread for it would cost more time than the write."""
    if hashlib.sha256(content).hexdigest() != file.sha256:
        return False
    _put(f"{places.directory}/{places.prepared(file.path)}", content)
    return True


def _put(place: str, content: bytes) -> None:
    """Writes a file beside its place first. The name there is of its place: contents may be equal."""
    directory, _, name = place.rpartition("/")
    part = f"{directory}/.provd-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.part"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(handle, left) :]
    finally:
        os.close(handle)
    os.replace(part, place)


def _buffered(source: Source) -> io.BufferedReader:
    source.allow(HEADERS + READ)  # tarfile reads the first member's headers when it opens the archive
    return io.BufferedReader(source, READ)


def _members(archive: tarfile.TarFile, source: Source) -> Iterator[tarfile.TarInfo]:
    """Yields the members; raises TarError for sparse ones, whose content is larger than their bytes."""
    while (member := archive.next()) is not None:
        # tarfile keeps all members, and the values of all global headers
        archive.members.clear()  # type: ignore[attr-defined]  # typeshed lacks the attribute
        archive.pax_headers = {}
        if member.issparse():
            raise tarfile.ReadError("a member is a sparse file")
        source.allow(member.size + HEADERS + READ)
        yield member


def _save(content: IO[bytes], file: ResultFile, places: Places) -> bool:
    """Writes a member if it has the listed hash; otherwise the file is missing, and fetched alone."""
    place = places.of(file.path)
    part = part_of(place, file.sha256)
    digest = hashlib.sha256()
    with part.open("wb") as target:
        while chunk := content.read(READ):
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() != file.sha256:
        part.unlink()
        return False
    part.replace(place)
    return True
