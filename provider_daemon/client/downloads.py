"""Fetches a job's results into a directory: many files as one archive, large ones resumed at their byte.

A file has its name only when its size and SHA-256 are those of the manifest; before that it is
`.provd-<hash>.part` beside it. A run that is interrupted is continued by the next one.
"""

import asyncio
import hashlib
import io
import os
import tarfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from provider_daemon.client.gateway import Gateway
from provider_daemon.client.meter import Meter
from provider_daemon.client.persistent import persistently
from provider_daemon.client.verify import ResultFile, differences, unsafe
from provider_daemon.errors import ProvdError, Transient, Unreadable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ARCHIVE_FROM = 8  # files from which on an archive is faster than single requests
LARGE = 64 * 2**20  # bytes from which on a file is fetched by itself, so that it can be resumed
READ = 1024 * 1024


class NotOnDisk(ProvdError):
    """A file could not be written."""


async def fetch(
    gateway: Gateway,
    job_id: str,
    files: Sequence[ResultFile],
    directory: Path,
    meter: Meter,
) -> None:
    """Fetches the files that are not there yet.

    Raises Unreadable if the gateway sends other content, and NotOnDisk.
    """
    try:
        await _fetch(gateway, job_id, files, directory, meter)
    except OSError as error:
        raise NotOnDisk(f"{error.filename or directory} cannot be written: {error.strerror}") from error


async def _fetch(
    gateway: Gateway,
    job_id: str,
    files: Sequence[ResultFile],
    directory: Path,
    meter: Meter,
) -> None:
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    missing = await asyncio.to_thread(_missing, files, directory)
    small = [file for file in missing if file.size < LARGE]
    if len(small) >= ARCHIVE_FROM:
        with suppress(Transient):
            # what the archive did not bring is fetched one by one
            await _archive(gateway, job_id, small, directory, meter)
        missing = [file for file in missing if not _there(file, directory)]
    for file in missing:
        await fetch_file(gateway, job_id, file, directory, meter)


def measured(files: Sequence[ResultFile], directory: Path) -> dict[str, ResultFile]:
    """Returns size and hash of those files that are in the directory, by path."""
    found = {}
    for file in files:
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            found[file.path] = _measure(file.path, directory / file.path)
    return found


def _measure(path: str, place: Path) -> ResultFile:
    with place.open("rb") as source:
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        return ResultFile(path, source.tell(), sha256)


def _missing(files: Sequence[ResultFile], directory: Path) -> list[ResultFile]:
    there = [file for file in files if _there(file, directory)]
    wrong = {line.partition(": ")[0] for line in differences(there, measured(there, directory))}
    return [file for file in files if file not in there or file.path in wrong]


def _there(file: ResultFile, directory: Path) -> bool:
    place = directory / file.path
    return place.is_file() and place.stat().st_size == file.size


# --- one file ---


async def fetch_file(
    gateway: Gateway,
    job_id: str,
    file: ResultFile,
    directory: Path,
    meter: Meter,
) -> None:
    """Fetches one file, from the byte on that is there already. Raises Unreadable for other content."""
    place = prepared(directory, file.path)
    part = _part(place, file)
    with meter.transfer(file.path, file.size) as show:

        async def attempt() -> None:
            offset = part.stat().st_size if part.exists() else 0
            if offset > file.size:
                part.unlink()
                offset = 0
            show(offset)
            if offset < file.size:
                async with gateway.file(job_id, file.path, offset) as chunks:
                    await _write(part, chunks, offset, file, show)
            elif not offset:
                part.touch()

        await persistently(
            attempt, lambda: part.stat().st_size if part.exists() else -1, gateway.retry_seconds
        )
    await asyncio.to_thread(_finish, file, part, place)


async def _write(
    part: Path, chunks: AsyncIterator[bytes], offset: int, file: ResultFile, show: Callable[[int], None]
) -> None:
    with part.open("ab") as target:
        async for chunk in chunks:
            offset += len(chunk)
            if offset > file.size:
                raise Unreadable(f"{file.path} is longer than the {file.size} bytes that the manifest lists")
            await asyncio.to_thread(target.write, chunk)
            show(offset)
    if offset < file.size:
        raise Transient(f"{file.path} ended at byte {offset} of {file.size}")


def _finish(file: ResultFile, part: Path, place: Path) -> None:
    found = _measure(file.path, part)
    if found != file:
        part.unlink()  # nothing of it can be trusted
        (why,) = differences([file], {file.path: found})
        raise Unreadable(f"{why}; fetch it again, and flag a dispute if it stays so")
    part.replace(place)


def prepared(directory: Path, path: str) -> Path:
    """Returns the place of a result on disk and makes its parents. Raises NotOnDisk, Unreadable."""
    if why := unsafe(path):
        raise Unreadable(f"unsafe path in the results: {path!r}: {why}")
    place = directory / path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # a link that somebody else put there would lead out of the directory
        if place.parent.resolve() != (directory.resolve() / path).parent:
            raise NotOnDisk(f"{place.parent} leads through a symbolic link: choose another directory")
    except OSError as error:
        raise NotOnDisk(f"{place.parent} cannot be created: {error.strerror}") from None
    return place


def _part(place: Path, file: ResultFile) -> Path:
    """Returns where a file is kept until it is whole: a short name, beside its place."""
    return place.with_name(f".provd-{file.sha256[:16]}.part")


# --- many files ---


async def _archive(
    gateway: Gateway, job_id: str, files: Sequence[ResultFile], directory: Path, meter: Meter
) -> None:
    """Unpacks those files from the job's archive as it arrives, and leaves out everything else in it."""
    wanted = {file.path: file for file in files}
    with meter.transfer(f"{len(files)} files", sum(file.size for file in files)) as show:
        async with gateway.archive(job_id) as chunks:
            source = _Source(chunks, asyncio.get_running_loop())
            await asyncio.to_thread(_unpack, source, wanted, directory, show)


class _Source(io.RawIOBase):
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


def _unpack(
    source: _Source, wanted: Mapping[str, ResultFile], directory: Path, show: Callable[[int], None]
) -> None:
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
                _save(content, file, directory)
                done += file.size
                show(done)
    except tarfile.TarError as error:
        raise Transient(f"the archive ended early or is damaged: {error}") from error


def _save(content: IO[bytes], file: ResultFile, directory: Path) -> None:
    """Writes a member if it has the listed hash; otherwise the file is fetched again by itself."""
    place = prepared(directory, file.path)
    part = _part(place, file)
    digest = hashlib.sha256()
    with part.open("wb") as target:
        while chunk := content.read(READ):
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() == file.sha256:
        os.replace(part, place)
    else:
        part.unlink()
