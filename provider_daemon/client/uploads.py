"""Sends local files to a gateway: content-addressed, resumed where an earlier attempt was interrupted."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from provider_daemon.client.gateway import CHUNK, Gateway
from provider_daemon.client.gateway_facts import GatewayRefused
from provider_daemon.client.job_file import SCRIPT_NAME, JobFile
from provider_daemon.client.job_request import LocalFile
from provider_daemon.client.meter import Meter
from provider_daemon.client.persistent import persistently
from provider_daemon.errors import ConfigError, Transient, Unreadable

Show = Callable[[int], None]
_ASK_AGAIN = ("offset_mismatch", "upload_busy")


async def local_files(job: JobFile, directory: Path) -> dict[str, LocalFile]:
    """Reads and hashes a job's local files, with paths relative to `directory` (that of the job file).

    Returns them by their names as inputs, with the script of `run` among them. Raises ConfigError with one
    line per file that cannot be read.
    """
    found: dict[str, LocalFile] = {}
    problems: list[str] = []
    for given in job.inputs:
        if given.file:
            try:
                file = await local_file(directory / given.file, given.called)
                found[given.called] = replace(file, encrypted=given.encrypted)
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError(problems)
    if job.script:
        content = job.script.encode()
        sha256 = hashlib.sha256(content).hexdigest()
        found[SCRIPT_NAME] = LocalFile(SCRIPT_NAME, "", len(content), sha256, content)
    return found


async def local_file(path: Path, name: str) -> LocalFile:
    """Raises ConfigError if it is not a regular file or cannot be read."""
    try:
        size, sha256 = await asyncio.to_thread(_measure, path, name)
    except OSError as error:
        raise ConfigError([f"{path} cannot be read: {error.strerror}"]) from None
    return LocalFile(name, str(path), size, sha256)


def _measure(path: Path, name: str) -> tuple[int, str]:
    if path.is_dir():
        raise ConfigError([f"{path} is a directory: pack it with `tar -czf {name}.tar.gz {path}` first"])
    if path.exists() and not path.is_file():
        raise ConfigError([f"{path} is not a regular file"])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


async def send_all(gateway: Gateway, files: Iterable[LocalFile], meter: Meter) -> None:
    """Sends each content once, whatever names it has."""
    for file in {file.sha256: file for file in files}.values():
        await send(gateway, file, meter)


async def send(gateway: Gateway, file: LocalFile, meter: Meter) -> None:
    """Returns when the gateway has the whole file and has checked it."""
    done = -1  # nothing known yet

    with meter.transfer(f"upload {file.name}", file.size) as show:

        async def attempt() -> None:
            nonlocal done
            state = await gateway.upload_state(file.sha256)
            done = state.offset if state else 0
            show(done)
            if state and (done == file.size == state.length):
                return
            done = await _append(gateway, file, done, show)
            if done != file.size:
                raise Transient(f"the gateway has {done} of {file.size} bytes of {file.name}")
            show(done)

        await persistently(attempt, lambda: done, gateway.retry_seconds)


async def _append(gateway: Gateway, file: LocalFile, offset: int, show: Show) -> int:
    if offset > file.size:
        raise Unreadable(f"the gateway has {offset} bytes of {file.name}, which has {file.size}")
    try:
        return await gateway.send(file.sha256, offset, file.size, _content(file, offset, show))
    except GatewayRefused as error:
        if error.reason in _ASK_AGAIN:
            raise Transient(f"{error}; asking how much has arrived") from error
        raise


async def _content(file: LocalFile, offset: int, show: Show) -> AsyncIterator[bytes]:
    """Yields exactly the announced bytes: a file that grew meanwhile is cut, and its checksum decides."""
    with _opened(file) as source:
        source.seek(offset)
        while offset < file.size:
            chunk = await asyncio.to_thread(source.read, min(CHUNK, file.size - offset))
            if not chunk:
                raise ConfigError([f"{file.path} became shorter while it was sent"])
            yield chunk
            offset += len(chunk)
            show(offset)


def _opened(file: LocalFile) -> BinaryIO:
    return open(file.path, "rb") if file.path else BytesIO(file.content)
