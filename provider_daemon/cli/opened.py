"""The ledger of a configuration file, open for reading beside the running daemon or without it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provider_daemon.config.model import Config
    from provider_daemon.ledger.ledger import Ledger


def opened(config_file: Path) -> "tuple[Config, Ledger]":
    """Raises ConfigError or LedgerError if one of both cannot be read."""
    from provider_daemon.config.model import load
    from provider_daemon.ledger.ledger import Ledger

    config = load(config_file)
    return config, Ledger.open(Path(config.ledger.path), readonly=True, lock=False)
