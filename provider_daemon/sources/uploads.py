"""Inputs that a customer sent to the gateway before: `<uploads>/<address>/<sha256>`."""

import asyncio
import os
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from provider_daemon.errors import Transient
from provider_daemon.sources.checks import Check, Digest
from provider_daemon.sources.inputs import Input
from provider_daemon.sources.refusals import InputRefusal, InputRefused

CHUNK = 256 * 1024
_ADDRESS = re.compile(r"[a-z][a-z0-9]{0,82}1[a-z0-9]{6,90}")


@asynccontextmanager
async def fetch(
    directory: Path, customer: str, source: Input, offset: int = 0, digest: Digest | None = None
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Yields the bytes from `offset` on of what this customer uploaded; another's upload is never opened.

    Raises Transient while there is no such upload, and InputRefused for one that is not as declared.
    """
    check = Check(source, offset, digest)
    try:
        file = await asyncio.to_thread(_open, directory, customer, source)
    except FileNotFoundError:
        raise Transient(f"{source.shown}: this customer has not uploaded it to the gateway") from None
    except OSError as error:
        raise Transient(f"{source.shown}: the upload cannot be read: {error.strerror}") from None
    try:
        check.announced(os.fstat(file.fileno()).st_size)
        yield _chunks(file, check, offset, source.shown)
    finally:
        file.close()


def _open(directory: Path, customer: str, source: Input) -> BinaryIO:
    """Opens each component by itself, so that no link in the directory leads elsewhere."""
    if not _ADDRESS.fullmatch(customer) or source.sha256 is None:
        raise FileNotFoundError
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        own = os.open(customer, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    finally:
        os.close(root)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(source.sha256, flags, dir_fd=own)
    finally:
        os.close(own)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputRefused(InputRefusal.CONTENT, f"{source.shown}: the upload is not a regular file")
    return os.fdopen(handle, "rb", buffering=0)


async def _chunks(file: BinaryIO, check: Check, offset: int, shown: str) -> AsyncIterator[bytes]:
    at = offset
    while True:
        try:
            chunk = await asyncio.to_thread(os.pread, file.fileno(), CHUNK, at)
        except OSError as error:
            raise Transient(f"{shown}: the upload cannot be read: {error.strerror}") from None
        if not chunk:
            check.finish()
            return
        check.update(chunk)
        at += len(chunk)
        yield chunk
