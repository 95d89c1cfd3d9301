"""Unpacks a tar archive while it arrives. Only files that a manifest lists are written, with that content."""

import asyncio
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Callable, Mapping
from typing import IO, TYPE_CHECKING

from provider_daemon.client.places import Places
from provider_daemon.client.verify import ResultFile
from provider_daemon.errors import Transient

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ = 1024 * 1024


class Source(io.RawIOBase):
    """Gives the archive's bytes to tarfile, which reads in a thread. Raises what the connection raises."""

    def __init__(self, chunks: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._chunks = chunks
        self._loop = loop
        self._left = memoryview(b"")

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
        return count

    async def _next(self) -> bytes:
        return await anext(self._chunks, b"")


def unpack(
    source: Source, wanted: Mapping[str, ResultFile], places: Places, show: Callable[[int], None]
) -> None:
    """Writes the wanted files, by path; links, other paths and other sizes are left out.

    `show` gets the bytes that were written. Raises Transient for an archive that is damaged or ends early.
    """
    done = 0
    try:
        with tarfile.open(
            fileobj=io.BufferedReader(source, READ), mode="r|", encoding="utf-8", errors="surrogateescape"
        ) as archive:
            for member in archive:
                file = wanted.get(member.name.removeprefix("./"))
                if file is None or not member.isreg() or member.size != file.size:
                    continue
                content = archive.extractfile(member)
                assert content is not None, "a regular file has content"
                _save(content, file, places)
                done += file.size
                show(done)
    except tarfile.TarError as error:
        raise Transient(f"the archive ended early or is damaged: {error}") from error


def _save(content: IO[bytes], file: ResultFile, places: Places) -> None:
    """Writes a member if it has the listed hash; otherwise the file is missing, and fetched by itself."""
    place = places.of(file.path)
    part = places.part(place, file.sha256)
    digest = hashlib.sha256()
    with part.open("wb") as target:
        while chunk := content.read(READ):
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() == file.sha256:
        part.replace(place)
    else:
        part.unlink()
