"""Inputs that a customer sent to the gateway before: `<uploads>/<address>/<sha256>`.

The gateway has checked the hash of each. A large one is hashed again only where it is written, because a
second hash here would take as long as the transfer.
"""

import asyncio
import errno
import os
import re
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO

from provider_daemon.append import finished
from provider_daemon.errors import Transient
from provider_daemon.sources.checks import Check
from provider_daemon.sources.inputs import Input
from provider_daemon.sources.refusals import InputRefusal, InputRefused

CHUNK = 256 * 1024
AHEAD = 4 * 1024 * 1024  # bytes that the system reads while the last ones are sent
_ADDRESS = re.compile(r"[a-z][a-z0-9]{0,82}1[a-z0-9]{6,90}")


@asynccontextmanager
async def fetch(
    directory: Path, customer: str, source: Input, offset: int = 0
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Yields the bytes from `offset` on of what this customer uploaded; another's upload is never opened.

    Raises Transient while there is no such upload, and InputRefused for one that has not the declared size.
    The hash is left to the caller.
    """
    check = Check(source, offset, hashing=False)
    with _problems(source):
        file = await asyncio.to_thread(_open_alone, directory, customer, source)
    try:
        check.announced(os.fstat(file.fileno()).st_size)
        yield _chunks(file, check, offset, source)
    finally:
        file.close()


async def read_all(
    directory: Path, customer: str, sources: Sequence[Input]
) -> list[bytes | InputRefused | Transient]:
    """Returns the whole content of each upload, which is checked, or the exception that `fetch` raises."""
    return await asyncio.to_thread(_read_all, directory, customer, sources)


def _read_all(
    directory: Path, customer: str, sources: Sequence[Input]
) -> list[bytes | InputRefused | Transient]:
    try:
        own = _own(directory, customer)
    except OSError:
        return [_read(None, source) for source in sources]
    try:
        return [_read(own, source) for source in sources]
    finally:
        os.close(own)


def _read(own: int | None, source: Input) -> bytes | InputRefused | Transient:
    check = Check(source)
    try:
        with _problems(source), _open(own, source) as file:
            check.announced(os.fstat(file.fileno()).st_size)
            content = file.read(check.limit + 1)
        check.update(content)
        check.finish()
    except (InputRefused, Transient) as error:
        return error
    return content


@contextmanager
def _problems(source: Input) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise Transient(f"{source.shown}: this customer has not uploaded it to the gateway") from None
    except OSError as error:
        raise Transient(f"{source.shown}: the upload cannot be read: {error.strerror}") from None


def _open_alone(directory: Path, customer: str, source: Input) -> BinaryIO:
    own = _own(directory, customer)
    try:
        return _open(own, source)
    finally:
        os.close(own)


def _own(directory: Path, customer: str) -> int:
    """Opens a customer's directory. Each component is opened alone: no link in it leads elsewhere."""
    if not _ADDRESS.fullmatch(customer):
        raise FileNotFoundError
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return os.open(customer, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    finally:
        os.close(root)


def _open(own: int | None, source: Input) -> BinaryIO:
    if own is None or source.sha256 is None:
        raise FileNotFoundError
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(source.sha256, flags, dir_fd=own)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputRefused(InputRefusal.CONTENT, f"{source.shown}: the upload is not a regular file")
    return os.fdopen(handle, "rb", buffering=0)


async def _chunks(file: BinaryIO, check: Check, offset: int, source: Input) -> AsyncIterator[bytes]:
    at, buffer = offset, bytearray(CHUNK)
    with _problems(source):
        while size := await _read_into(buffer, file.fileno(), at):
            chunk = bytes(memoryview(buffer)[:size])
            check.update(chunk)
            at += size
            yield chunk
    check.finish()


async def _read_into(buffer: bytearray, handle: int, at: int) -> int:
    """Returns how many bytes it has read, 0 at the end.

    What the system has in memory is read at once: to wait for a thread costs several times as much processor
    time. The disk is waited for in a thread.
    """
    try:
        return os.preadv(handle, [buffer], at, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):
            raise
    return await finished(_read_from_disk, handle, buffer, at)


def _read_from_disk(handle: int, buffer: bytearray, at: int) -> int:
    size = os.preadv(handle, [buffer], at)
    os.posix_fadvise(handle, at + size, AHEAD, os.POSIX_FADV_WILLNEED)
    return size
