"""Files on the mover's own disk: encrypted inputs, which are checked before they are decrypted."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from provider_daemon.errors import Transient

CHUNK = 256 * 1024
SPARE_BYTES = 2**30  # kept free on the file system, which may hold the mover's database too


class Spool:
    """One directory. A file that is not complete is continued after a restart."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._growing = set[str]()

    def prepare(self) -> None:
        """Creates the directory for this user alone. Raises Transient."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _failed(error) from None

    def clear(self, before: float) -> int:
        """Deletes files that were last written before `before` (Unix seconds); returns how many.

        They belong to inputs that no job has asked for since. Raises Transient.
        """
        count = 0
        try:
            for found in self._directory.iterdir():
                if found.stat().st_mtime < before:
                    found.unlink(missing_ok=True)
                    count += 1
        except OSError as error:
            raise _failed(error) from None
        return count

    def size(self, name: str) -> int:
        """Returns how many bytes of the file are there."""
        try:
            return (self._directory / name).stat().st_size
        except FileNotFoundError:
            return 0

    async def append(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Adds chunks to the file. Raises Transient if the disk is full; what was written is kept.

        Before the disk is full, files that nobody writes to are deleted, the oldest first: customers can
        leave any number of unfinished ones.
        """
        self._growing.add(name)
        try:
            with (self._directory / name).open("ab") as file:
                async for chunk in chunks:
                    self._make_room()
                    file.write(chunk)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
        except OSError as error:
            raise _failed(error) from None
        finally:
            self._growing.discard(name)

    def _make_room(self) -> None:
        while self._free() < SPARE_BYTES:
            others = [each for each in self._directory.iterdir() if each.name not in self._growing]
            if not others:
                raise Transient(f"data.spool: less than {SPARE_BYTES} bytes are free on its file system")
            min(others, key=lambda each: each.stat().st_mtime).unlink()

    def _free(self) -> int:
        found = os.statvfs(self._directory)
        return found.f_bavail * found.f_frsize

    async def sha256(self, name: str) -> str:
        return await asyncio.to_thread(self._sha256, name)

    def _sha256(self, name: str) -> str:
        try:
            with (self._directory / name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _failed(error) from None

    async def read(self, name: str) -> AsyncIterator[bytes]:
        try:
            with (self._directory / name).open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except OSError as error:
            raise _failed(error) from None

    def remove(self, name: str) -> None:
        (self._directory / name).unlink(missing_ok=True)


def _failed(error: OSError) -> Transient:
    return Transient(f"data.spool: {error.strerror}")
