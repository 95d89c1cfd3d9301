"""Whether a daemon on this machine signs with a key just now: a transaction beside it takes the sequence that
its next one counts on."""

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
    """One that runs: `why_unknown` is set instead of the rest when it cannot be told whether there is one."""

    ledger: str = ""
    config: configuration.Config | None = None
    why_unknown: str = ""


def find(config_path: Path) -> RunningDaemon | None:
    """The daemon of that configuration, or None when there is none or it does not run."""
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


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _locked(path: Path) -> bool:
    """Asked without waiting, and without making a file."""
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
    """Whether the address owns a cluster that the daemon serves, or is one of its keys as far as they can be
    read from here."""
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
