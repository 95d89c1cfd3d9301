"""Detects a daemon on this machine that uses a key.

A transaction of the same key uses the account sequence that the daemon's next transaction needs.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.chain import keys
from provider_daemon.chain.client import GrpcChain
from provider_daemon.config import model as configuration
from provider_daemon.errors import ConfigError, ProvdError


@dataclass(frozen=True, slots=True)
class RunningDaemon:
    """A running daemon; only `why_unknown` is set if that could not be determined."""

    ledger: str = ""
    config: configuration.Config | None = None
    why_unknown: str = ""


def find(config_path: Path) -> RunningDaemon | None:
    """Returns the running daemon of that configuration, or None."""
    if not _exists(config_path):
        return None
    try:
        config = configuration.load(config_path)
        held = _locked(Path(f"{config.ledger.path}.lock"))
    except ConfigError as error:
        return RunningDaemon(why_unknown=str(error))
    except OSError as error:
        return RunningDaemon(why_unknown=f"{error.filename}: {error.strerror}")
    return RunningDaemon(config.ledger.path, config) if held else None


def readable(config_path: Path) -> configuration.Config | None:
    """Returns the configuration, or None if there is none that this user can read."""
    try:
        return configuration.load(config_path)
    except ConfigError:
        return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _locked(path: Path) -> bool:
    """Tests the lock without waiting and without creating the file."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(lock)


async def signs_with(daemon: RunningDaemon, address: str, chain: GrpcChain) -> bool:
    """Whether the address owns a cluster that the daemon serves, or is one of its readable keys."""
    config = daemon.config
    if config is None or config.chain.id != chain.chain_id:
        return False
    owners = [await chain.cluster(cluster.id) for cluster in config.clusters]
    return address in {owner.provider for owner in owners if owner} | _addresses(config)


def _addresses(config: configuration.Config) -> set[str]:
    found = set()
    for key in config.keys.values():
        try:
            found.add(keys.load(key.kind, key.name, key.path, key.passphrase_file).address)
        except ProvdError:
            continue
    return found
