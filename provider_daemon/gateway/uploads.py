"""Uploaded inputs on disk: content-addressed, resumable, checked when complete, within quotas.

`<directory>/<address>/<sha256>` is whole and verified, `<directory>/<address>/.<sha256>.<length>.part` is
not. A part counts with its declared length, so that no customer can start more than fits.
"""

import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from provider_daemon.append import Appender, finished
from provider_daemon.gateway.errors import ApiError, Code

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


@dataclass(slots=True)
class _Account:
    """What a customer's directory holds: files, their declared bytes, and the lengths of parts by hash."""

    files: int = 0
    bytes: int = 0
    parts: dict[str, int] = field(default_factory=dict)

    def add(self, upload: Upload) -> None:
        self.files += 1
        self.bytes += upload.length
        if not upload.whole:
            self.parts[upload.sha256] = upload.length

    def remove(self, upload: Upload) -> None:
        self.files -= 1
        self.bytes -= upload.length
        self.parts.pop(upload.sha256, None)


class Uploads:
    """`total` and `per_customer` are quotas in bytes. One process uses the directory."""

    def __init__(self, directory: Path, total: int, per_customer: int) -> None:
        self._directory, self._total, self.per_customer = directory, total, per_customer
        self._busy: set[tuple[str, str]] = set()
        self._hashers: OrderedDict[tuple[str, str], tuple[int, hashlib._Hash]] = OrderedDict()
        self._accounts: dict[str, _Account] = {}

    def open(self) -> None:
        """Creates the directory and counts what is there. Raises OSError."""
        self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        for customer in self._directory.iterdir():
            self._count(customer.name)

    @property
    def used(self) -> int:
        return sum(account.bytes for account in self._accounts.values())

    def used_by(self, address: str) -> int:
        return self._account(address).bytes

    def of(self, address: str) -> list[Upload]:
        """Returns the customer's uploads, by hash."""
        return sorted(self._scan(address), key=lambda upload: upload.sha256)

    def find(self, address: str, sha256: str) -> Upload | None:
        """Looks at one or two names: a directory may hold MOST_UPLOADS."""
        with suppress(FileNotFoundError):
            return _upload(sha256, os.lstat(self._folder(address) / sha256), None)
        length = self._account(address).parts.get(sha256)
        if length is None:
            return None
        with suppress(FileNotFoundError):
            return _upload(sha256, os.lstat(self._part(address, sha256, length)), length)
        return None

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
        for address in list(self._accounts):
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

    def _scan(self, address: str) -> Iterator[Upload]:
        try:
            entries = list(os.scandir(self._folder(address)))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            part = _PART.fullmatch(entry.name)
            if part or _WHOLE.fullmatch(entry.name):
                facts = entry.stat(follow_symlinks=False)
                yield _upload(part[1] if part else entry.name, facts, int(part[2]) if part else None)

    def _account(self, address: str) -> _Account:
        return self._accounts.setdefault(address, _Account())

    def _count(self, address: str) -> None:
        if _ADDRESS.fullmatch(address):
            self._accounts[address] = account = _Account()
            for upload in self._scan(address):
                account.add(upload)

    def _unlink(self, address: str, upload: Upload) -> None:
        self._hashers.pop((address, upload.sha256), None)
        for path in (
            self._folder(address) / upload.sha256,
            self._part(address, upload.sha256, upload.length),
        ):
            path.unlink(missing_ok=True)
        self._account(address).remove(upload)

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
        if found is None:
            part.parent.mkdir(mode=0o750, exist_ok=True)
            part.touch(mode=0o640)
            self._account(address).add(Upload(sha256, 0, length, False, 0.0))
        return part

    def _reserve(self, address: str, length: int) -> None:
        if self.used_by(address) + length > self.per_customer:
            free = max(0, self.per_customer - self.used_by(address))
            raise ApiError(
                Code.QUOTA, f"Only {free} bytes of your quota for uploads are free. Delete an upload first."
            )
        if self._account(address).files >= MOST_UPLOADS:
            raise ApiError(Code.QUOTA, f"You have {MOST_UPLOADS} uploads, the maximum. Delete one first.")
        disk = os.statvfs(self._directory)
        if self.used + length > self._total or disk.f_bavail * disk.f_frsize < length + SPARE_BYTES:
            raise ApiError(Code.STORAGE_FULL, "The gateway has no room for this upload. Try again later.")

    async def _receive(
        self, key: tuple[str, str], part: Path, offset: int, length: int, chunks: AsyncIterator[bytes]
    ) -> int:
        """Returns the size of the part afterwards."""
        at, hasher = self._hashers.pop(key, (0, hashlib.sha256()))
        known = hasher if at == offset else None
        announced = offset
        file = Appender(part, offset, known, sync=True)
        try:
            async for chunk in chunks:
                announced += len(chunk)
                if announced > length:
                    raise ApiError(Code.TOO_LARGE, f"The upload has more than its {length} declared bytes.")
                await file.append(chunk)
        finally:
            try:
                await file.close()
            finally:
                if known is not None:
                    self._remember(key, file.written, known)
        return file.written

    def _remember(self, key: tuple[str, str], offset: int, hasher: "hashlib._Hash") -> None:
        self._hashers[key] = (offset, hasher)
        if len(self._hashers) > HASHERS:
            self._hashers.popitem(last=False)

    async def _complete(self, key: tuple[str, str], part: Path, size: int) -> None:
        address, sha256 = key
        at, hasher = self._hashers.pop(key, (-1, None))
        found = hasher.hexdigest() if hasher is not None and at == size else await finished(_sha256, part)
        if found != sha256:
            self._unlink(address, Upload(sha256, size, size, False, 0.0))
            raise ApiError(
                Code.WRONG_HASH, f"The content's SHA-256 is {found}. It was deleted; send it again."
            )
        await finished(_publish, part, part.parent / sha256)
        self._account(address).parts.pop(sha256, None)


def offsets(upload: Upload) -> dict[str, str]:
    """Returns the headers that describe an upload."""
    whole = {"Upload-Complete": "?1" if upload.whole else "?0"}
    return {"Upload-Offset": str(upload.offset), "Upload-Length": str(upload.length), **whole}


def _upload(sha256: str, facts: os.stat_result, length: int | None) -> Upload:
    """`length`: the declared one of a part, None for a whole upload."""
    declared = facts.st_size if length is None else length
    return Upload(sha256, facts.st_size, declared, length is None, facts.st_mtime)


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
