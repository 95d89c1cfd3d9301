"""`provd agent`: becomes the node agent, which imports nothing of this command line."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

DEFAULT = Path("/etc/provd-agent/agent.toml")
ConfigFile = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="Configuration file.")]


def agent(config: ConfigFile = DEFAULT) -> None:
    """Run the node agent on a compute node until SIGTERM or SIGINT."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", "provider_daemon.agent", "--config", str(config)])
