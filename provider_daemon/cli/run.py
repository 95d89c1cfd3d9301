"""`provd run`: the daemon."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.", show_default=True)]
DEFAULT = Path("/etc/provd/provd.toml")


def run(config: ConfigFile = DEFAULT) -> None:
    """Serve until SIGTERM or SIGINT: take jobs from the chain, run them on SLURM, report them."""
    from provider_daemon import config as configuration
    from provider_daemon import daemon, log

    loaded = configuration.load(config)
    log.configure(loaded.log.format, loaded.log.level)
    daemon.run(loaded, config)
