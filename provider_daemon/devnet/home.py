"""A devnet's directory: the location of its chain, export and import."""

from pathlib import Path

from provider_daemon.devnet import genesis, genesis_file
from provider_daemon.devnet.archive import Archive, snapshot
from provider_daemon.devnet.kv import Layer
from provider_daemon.errors import ConfigError

FILE = "chain.sqlite"


def chain_file(home: Path) -> Path:
    """Returns the chain's file. Creates the directory if it is missing. Raises ConfigError."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"--home {home} cannot be used: {error.strerror}"]) from error
    return home / FILE


def export(home: Path) -> str:
    """Exports the state after the last block as a genesis file, also while a devnet runs there."""
    return genesis_file.write(snapshot(home / FILE))


def replace(home: Path, text: str) -> str:
    """Imports a genesis file's chain and returns a line about it. The previous chain is kept beside it."""
    found = genesis_file.read(text)
    path = chain_file(home)
    archive = Archive(str(path))
    try:
        kept = _keep(archive, path)
        archive.replace(found)
    finally:
        archive.close()
    state = Layer()
    state.load(found.state)
    return f"{home} holds chain {genesis.chain_id(state)} after block {found.height}{kept}"


def _keep(archive: Archive, path: Path) -> str:
    height, _ = archive.last_block()
    if not height:
        return ""
    kept = path.with_name(f"{FILE}.before-import")
    kept.unlink(missing_ok=True)
    archive.copy(kept)
    return f"; the chain that was there, at block {height}, is kept as {kept}"
