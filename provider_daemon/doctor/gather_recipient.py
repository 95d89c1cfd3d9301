"""Gathers the state of the provider's recipient key: what its file holds, and what the chain shows."""

import asyncio
import errno
from pathlib import Path

from provider_daemon.chain.client import GrpcChain
from provider_daemon.config.model import Config
from provider_daemon.doctor import gather_host
from provider_daemon.doctor.deadline import Deadline
from provider_daemon.doctor.finding import Unknown
from provider_daemon.doctor.host_checks import OTHERS
from provider_daemon.encryption import identity_file, lookup, watch
from provider_daemon.encryption.watch import OwnKey
from provider_daemon.errors import ConfigError

Fingerprints = frozenset[str]


def files(config: Config) -> list[str]:
    """Returns the file with the recipient keys, if one is configured."""
    return [config.data.recipient_key_file] if config.data and config.data.recipient_key_file else []


async def gather(
    config: Config, address: str, client: GrpcChain, missing: Unknown | None, looker: Deadline
) -> OwnKey | Unknown | None:
    """Returns None if no recipient key is configured. `missing`: why the chain cannot be asked."""
    if not (paths := files(config)):
        return None
    ours = await asyncio.to_thread(_fingerprints, paths[0])
    if isinstance(ours, Unknown):
        return ours
    return await looker(lambda: _shown(client, address, ours), missing)


async def _shown(client: GrpcChain, address: str, ours: Fingerprints | None) -> OwnKey:
    found = await lookup.keys_of(client, address)
    return watch.own_key(found, ours, (await client.head()).time)


def _fingerprints(path: str) -> Fingerprints | Unknown | None:
    """Returns None if only the mover's user can read the file: the doctor runs as the daemon's."""
    mode = gather_host.mode(path)
    if isinstance(mode, Unknown) or mode & OTHERS:
        return Unknown("the recipient key file is missing or readable by others", "host-secret-files")
    try:
        keyring = identity_file.read(Path(path))
    except ConfigError as error:
        return None if _is_forbidden(path) else Unknown(str(error))
    return frozenset(each.fingerprint for each in keyring.identities)


def _is_forbidden(path: str) -> bool:
    try:
        with open(path, "rb"):
            return False
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EPERM)
