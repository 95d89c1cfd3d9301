"""Fetches a job's results into a directory: many files as one archive, large ones resumed at their byte.

A file has its name only when its size and SHA-256 are those of the manifest; before that it is
`.provd-<hash>.part` beside it. A run that is interrupted is continued by the next one.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from pathlib import Path

from provider_daemon.append import Appender
from provider_daemon.client import archive
from provider_daemon.client.gateway import Gateway
from provider_daemon.client.meter import Meter
from provider_daemon.client.persistent import persistently
from provider_daemon.client.places import NotOnDisk, Places, part_of
from provider_daemon.client.verify import ResultFile, differences
from provider_daemon.errors import Transient, Unreadable

ARCHIVE_FROM = 8  # files from which on an archive is faster than single requests
ARCHIVES = 3  # attempts, before the rest is fetched file by file
LARGE = 64 * 2**20  # bytes from which on a file is fetched alone, so that it can be resumed


class Download:
    """Results of one job, into one directory."""

    def __init__(self, gateway: Gateway, job_id: str, directory: Path, meter: Meter) -> None:
        self._gateway = gateway
        self._job_id = job_id
        self._places = Places(directory)
        self._meter = meter

    async def fetch(self, files: Sequence[ResultFile]) -> None:
        """Fetches the files that are not there yet.

        Raises Unreadable if the gateway sends other content, and NotOnDisk.
        """
        try:
            await self._fetch(files)
        except OSError as error:
            where = error.filename or self._places.directory
            raise NotOnDisk(f"{where} cannot be written: {error.strerror}") from error

    async def _fetch(self, files: Sequence[ResultFile]) -> None:
        await asyncio.to_thread(self._places.directory.mkdir, parents=True, exist_ok=True)
        missing = await asyncio.to_thread(self._missing, files)
        for _ in range(ARCHIVES):
            small = [file for file in missing if file.size < LARGE]
            if len(small) < ARCHIVE_FROM:
                break
            saved = set[str]()
            with suppress(Transient):
                await self._archive(small, saved)
            missing = [file for file in missing if file.path not in saved]
        for file in missing:
            await self._single(file)

    def _missing(self, files: Sequence[ResultFile]) -> list[ResultFile]:
        return [file for file in files if self._found(file) != file]

    def _found(self, file: ResultFile) -> ResultFile | None:
        place = self._places.directory / file.path
        if not place.is_file() or place.stat().st_size != file.size:
            return None
        return measured(file.path, place)

    async def _archive(self, files: Sequence[ResultFile], saved: set[str]) -> None:
        """Unpacks those files from the job's archive as it arrives. `saved`: see `unpack`.

        Raises Transient.
        """
        wanted = {file.path: file for file in files}
        with self._meter.transfer(f"{len(files)} files", sum(file.size for file in files)) as show:
            async with self._gateway.archive(self._job_id) as chunks:
                source = archive.Source(chunks, asyncio.get_running_loop())
                await asyncio.to_thread(archive.unpack, source, wanted, self._places, show, saved)

    async def _single(self, file: ResultFile) -> None:
        """Fetches one file. Raises Unreadable for other content."""
        await fetch_file(
            partial(self._gateway.file, self._job_id, file.path),
            file,
            self._places.of(file.path),
            self._meter,
            self._gateway.retry_seconds,
        )


async def fetch_file(
    source: Callable[[int], AbstractAsyncContextManager[AsyncIterator[bytes]]],
    file: ResultFile,
    place: Path,
    meter: Meter,
    retry_seconds: float,
) -> None:
    """Fetches one file to `place`, from the byte on that is there already. Raises Unreadable and OSError.

    `source`: opens the content at an offset.
    """
    part = part_of(place, file.sha256)
    digest, hashed = hashlib.sha256(), 0
    with meter.transfer(file.path, file.size) as show:

        async def attempt() -> None:
            nonlocal hashed
            offset = _size(part)
            show(offset)
            if offset < file.size:
                target = Appender(part, offset, digest if hashed == offset else None, sync=False)
                try:
                    async with source(offset) as chunks:
                        await _append(target, chunks, offset, file, show)
                finally:
                    await target.close()
                    hashed = target.written if hashed == offset else hashed

        await asyncio.to_thread(_prepare, part, file.size)
        await persistently(attempt, lambda: _size(part), retry_seconds)
    found = ResultFile(file.path, hashed, digest.hexdigest()) if hashed == file.size else None
    await asyncio.to_thread(_finish, file, part, place, found)


def measured(path: str, place: Path) -> ResultFile:
    """Returns size and hash of a file on disk. Raises OSError."""
    with place.open("rb") as source:
        sha256 = hashlib.file_digest(source, "sha256").hexdigest()
        return ResultFile(path, source.tell(), sha256)


def _size(part: Path) -> int:
    return part.stat().st_size


def _prepare(part: Path, most: int) -> None:
    """Keeps what an earlier run has fetched, unless it is too long to be a part of the file."""
    part.touch()
    if _size(part) > most:
        part.write_bytes(b"")


async def _append(
    target: Appender, chunks: AsyncIterator[bytes], offset: int, file: ResultFile, show: Callable[[int], None]
) -> None:
    async for chunk in chunks:
        offset += len(chunk)
        if offset > file.size:
            raise Unreadable(f"{file.path} is longer than the {file.size} bytes that the manifest lists")
        await target.append(chunk)
        show(offset)
    if offset < file.size:
        raise Transient(f"{file.path} ended at byte {offset} of {file.size}")


def _finish(file: ResultFile, part: Path, place: Path, found: ResultFile | None) -> None:
    """`found`: what was written, if it was hashed from its start on."""
    found = found or measured(file.path, part)
    if found != file:
        part.unlink()  # nothing of it can be trusted
        (why,) = differences([file], {file.path: found})
        raise Unreadable(f"{why}; fetch it again, and flag a dispute if it stays so")
    part.replace(place)
