"""Encrypts local inputs to the provider, with age, before they leave the customer's machine."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from provider_daemon.client import uploads
from provider_daemon.client.job_request import LocalFile
from provider_daemon.encryption import age
from provider_daemon.errors import ConfigError


async def sealed(files: Mapping[str, LocalFile], public_key: bytes, directory: Path) -> dict[str, LocalFile]:
    """Returns the files, those that are to be encrypted as ciphertext in `directory`.

    `public_key`: the provider's, 32 bytes. Raises ConfigError if a file cannot be read or written.
    """
    return {
        name: await _sealed(file, public_key, directory / f"{number}.age") if file.encrypted else file
        for number, (name, file) in enumerate(files.items())
    }


async def _sealed(file: LocalFile, public_key: bytes, target: Path) -> LocalFile:
    try:
        await asyncio.to_thread(_encrypt, file.path, target, public_key)
    except OSError as error:
        raise ConfigError([f"{file.path} cannot be encrypted: {error.strerror}: {error.filename}"]) from None
    return replace(await uploads.local_file(target, file.name), encrypted=True)


def _encrypt(source: str, target: Path, public_key: bytes) -> None:
    with open(source, "rb") as plain, target.open("wb") as secret:
        age.encrypt_file(plain, secret, [public_key])
