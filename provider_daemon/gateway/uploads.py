"""Uploaded inputs on disk: content-addressed, resumable, checked when complete, within quotas.

`<directory>/<address>/<sha256>` is whole and verified, `<directory>/<address>/.<sha256>.<length>.part` is
not. A part counts with its declared length, so that no customer can start more than fits.
"""

import asyncio
import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from provider_daemon.gateway.errors import ApiError, Code

T = TypeVar("T")
GIB = 2**30
SPARE_BYTES = GIB  # kept free on the file system
KEEP_SECONDS = 30 * 86400.0  # after which a whole upload is deleted
PART_SECONDS = 2 * 86400.0  # after which a part that nobody continues is deleted
MOST_UPLOADS = 10_000  # of one customer
HASHERS = 64  # of parts in progress: another part is read again when it is complete
_PART = re.compile(r"\.([0-9a-f]{64})\.(\d{1,15})\.part")
_WHOLE = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"[a-z0-9]{8,90}")


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload: `offset` of `length` bytes have arrived. `whole`: all have, and their hash is right."""

    sha256: str
    offset: int
    length: int
    whole: bool
    modified_at: float


class Uploads:
    """`total` and `per_customer` are quotas in bytes. One process uses the directory."""

    def __init__(self, directory: Path, total: int, per_customer: int) -> None:
        self._directory, self._total, self.per_customer = directory, total, per_customer
        self._busy: set[tuple[str, str]] = set()
        self._hashers: OrderedDict[tuple[str, str], tuple[int, hashlib._Hash]] = OrderedDict()
        self._used: dict[str, int] = {}

    def open(self) -> None:
        """Creates the directory and counts what is there. Raises OSError."""
        self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        for customer in self._directory.iterdir():
            self._count(customer.name)

    @property
    def used(self) -> int:
        return sum(self._used.values())

    def used_by(self, address: str) -> int:
        return self._used.get(address, 0)

    def of(self, address: str) -> list[Upload]:
        """Returns the customer's uploads, by hash."""
        return sorted(self._scan(address), key=lambda upload: upload.sha256)

    def find(self, address: str, sha256: str) -> Upload | None:
        return next((upload for upload in self._scan(address, sha256) if upload.sha256 == sha256), None)

    def content(self, address: str, sha256: str) -> BinaryIO:
        """Opens a whole upload. Raises ApiError if there is none."""
        try:
            found = os.open(self._folder(address) / sha256, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise ApiError(Code.NOT_FOUND, "There is no such upload, or it is not complete.") from None
        return os.fdopen(found, "rb")

    async def append(
        self, address: str, sha256: str, offset: int, length: int, chunks: AsyncIterator[bytes]
    ) -> Upload:
        """Appends to the upload, and checks it when it is complete.

        What has arrived stays if the sender disconnects. Raises ApiError for a wrong offset, length or hash,
        for a quota, and while another request writes to the upload.
        """
        with self._writing(address, sha256):
            part = self._prepare(address, sha256, offset, length)
            if part is None:
                return Upload(sha256, length, length, True, 0.0)
            size = await self._receive((address, sha256), part, offset, length, chunks)
            if size == length:
                await self._complete((address, sha256), part, length)
            found = self.find(address, sha256)
        if found is None:
            raise ApiError(Code.NOT_FOUND, "The upload was deleted meanwhile.")
        return found

    async def settled(self, address: str, sha256: str) -> Upload | None:
        """Returns the upload. One that has all its bytes, but was not checked yet, is checked first.

        Raises ApiError if its hash is wrong.
        """
        found = self.find(address, sha256)
        key = (address, sha256)
        if found is None or found.whole or found.offset != found.length or key in self._busy:
            return found
        with self._writing(address, sha256):
            await self._complete(key, self._part(address, sha256, found.length), found.length)
            return self.find(address, sha256)

    def remove(self, address: str, sha256: str) -> None:
        """Raises ApiError if there is no such upload, or it is being written to."""
        with self._writing(address, sha256):
            found = self.find(address, sha256)
            if found is None:
                raise ApiError(Code.NOT_FOUND, "There is no such upload.")
            self._unlink(address, found)

    def expire(self, now: float) -> int:
        """Deletes old uploads; `now` in seconds since the epoch. Returns how many."""
        count = 0
        for address in list(self._used):
            for upload in self._scan(address):
                keep = KEEP_SECONDS if upload.whole else PART_SECONDS
                if now - upload.modified_at > keep and (address, upload.sha256) not in self._busy:
                    self._unlink(address, upload)
                    count += 1
        return count

    # --- files ---

    def _folder(self, address: str) -> Path:
        if not _ADDRESS.fullmatch(address):
            raise ApiError(Code.BAD_REQUEST, "The account's address cannot be used as a directory.")
        return self._directory / address

    def _part(self, address: str, sha256: str, length: int) -> Path:
        return self._folder(address) / f".{sha256}.{length}.part"

    def _scan(self, address: str, sha256: str = "") -> Iterator[Upload]:
        try:
            entries = list(os.scandir(self._folder(address)))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            part = _PART.fullmatch(entry.name)
            if not (part or _WHOLE.fullmatch(entry.name)) or sha256 not in entry.name:
                continue
            facts = entry.stat(follow_symlinks=False)
            name, length = (part[1], int(part[2])) if part else (entry.name, facts.st_size)
            yield Upload(name, facts.st_size, length, not part, facts.st_mtime)

    def _count(self, address: str) -> None:
        if _ADDRESS.fullmatch(address):
            self._used[address] = sum(upload.length for upload in self._scan(address))

    def _unlink(self, address: str, upload: Upload) -> None:
        self._hashers.pop((address, upload.sha256), None)
        for path in (
            self._folder(address) / upload.sha256,
            self._part(address, upload.sha256, upload.length),
        ):
            path.unlink(missing_ok=True)
        self._count(address)

    def _discard(self, address: str, part: Path) -> None:
        part.unlink()
        self._count(address)

    @contextmanager
    def _writing(self, address: str, sha256: str) -> Iterator[None]:
        key = (address, sha256)
        if key in self._busy:
            raise ApiError(Code.BUSY, "Another request writes to this upload. Wait, then ask for its offset.")
        self._busy.add(key)
        try:
            yield
        finally:
            self._busy.discard(key)

    # --- one request ---

    def _prepare(self, address: str, sha256: str, offset: int, length: int) -> Path | None:
        """Returns the part's file, which has `offset` bytes; None if the upload is whole already."""
        found = self.find(address, sha256)
        if found is not None and found.length != length:
            raise ApiError(
                Code.LENGTH_CONFLICT,
                f"The upload was started with a length of {found.length} bytes. Delete it to start again.",
                headers=offsets(found),
            )
        if found is not None and found.whole:
            return None
        have = found.offset if found else 0
        if have != offset:
            headers = {"Upload-Offset": str(have), "Upload-Length": str(length)}
            raise ApiError(Code.CONFLICT, f"The upload has {have} bytes; continue there.", headers=headers)
        if found is None:
            self._reserve(address, length)
        part = self._part(address, sha256, length)
        part.parent.mkdir(mode=0o750, exist_ok=True)
        part.touch(mode=0o640)
        self._count(address)
        return part

    def _reserve(self, address: str, length: int) -> None:
        if self.used_by(address) + length > self.per_customer:
            free = max(0, self.per_customer - self.used_by(address))
            raise ApiError(Code.QUOTA, f"Your uploads may take {free} more bytes. Delete some.")
        if len(self.of(address)) >= MOST_UPLOADS:
            raise ApiError(Code.QUOTA, f"You have {MOST_UPLOADS} uploads. Delete some.")
        disk = os.statvfs(self._directory)
        if self.used + length > self._total or disk.f_bavail * disk.f_frsize < length + SPARE_BYTES:
            raise ApiError(Code.STORAGE_FULL, "The gateway has no room for this upload. Try again later.")

    async def _receive(
        self, key: tuple[str, str], part: Path, offset: int, length: int, chunks: AsyncIterator[bytes]
    ) -> int:
        """Returns the size of the part afterwards."""
        at, hasher = self._hashers.pop(key, (0, hashlib.sha256()))
        known = hasher if at == offset else None
        descriptor = os.open(part, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            async for chunk in chunks:
                if offset + len(chunk) > length:
                    raise ApiError(Code.TOO_LARGE, f"The upload has more than its {length} declared bytes.")
                await _finished(_write, descriptor, chunk, known)
                offset += len(chunk)
        finally:
            os.close(descriptor)
            if known is not None:
                self._remember(key, offset, known)
        return offset

    def _remember(self, key: tuple[str, str], offset: int, hasher: "hashlib._Hash") -> None:
        self._hashers[key] = (offset, hasher)
        if len(self._hashers) > HASHERS:
            self._hashers.popitem(last=False)

    async def _complete(self, key: tuple[str, str], part: Path, size: int) -> None:
        address, sha256 = key
        at, hasher = self._hashers.pop(key, (-1, None))
        found = hasher.hexdigest() if hasher is not None and at == size else await _finished(_sha256, part)
        if found != sha256:
            self._discard(address, part)
            raise ApiError(
                Code.WRONG_HASH, f"The content's SHA-256 is {found}. It was deleted; send it again."
            )
        await _finished(_publish, part, part.parent / sha256)
        self._count(address)


def offsets(upload: Upload) -> dict[str, str]:
    """Returns the headers that describe an upload."""
    whole = {"Upload-Complete": "?1" if upload.whole else "?0"}
    return {"Upload-Offset": str(upload.offset), "Upload-Length": str(upload.length), **whole}


async def _finished(work: Callable[..., T], *args: object) -> T:
    """Runs it in a thread, to its end even if the request is cancelled: the thread uses a descriptor."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args))
    try:
        return await asyncio.shield(task)
    finally:
        if not task.done():
            await asyncio.wait([task])


def _write(descriptor: int, chunk: bytes, hasher: "hashlib._Hash | None") -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(descriptor, left) :]
    if hasher is not None:
        hasher.update(chunk)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _publish(part: Path, whole: Path) -> None:
    """Makes the content durable before its name says that it is whole."""
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o640)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.rename(whole)
    folder = os.open(whole.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
