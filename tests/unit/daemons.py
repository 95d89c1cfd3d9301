"""Configurations of a daemon on a chain of the test."""

import asyncio
import hashlib
import socket
from contextlib import closing
from pathlib import Path

from provider_daemon.config.model import Config, parse
from tests.fakes.chain import CHAIN_ID

KEYS = {"main": "provider", "other": "alice"}  # key of the configuration -> whose it is
DOWN = (
    "#!/bin/sh\necho 'slurm_load error: Unable to contact slurm controller (connect failure)' >&2\nexit 1\n"
)
NO_FILE = Path("/nonexistent/provd.toml")  # of a daemon that is not asked to read it again
PATIENCE = 100  # seconds that a test waits for what must come


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def config_text(
    directory: Path, chain_port: int, clusters: dict[str, str], listen: str = "127.0.0.1:0"
) -> str:
    """`clusters`: name -> key; their ids are HPC-1, HPC-2, ..."""
    for name, whose in KEYS.items():
        (directory / name).touch(0o600)
        (directory / name).write_text(hashlib.sha256(whose.encode()).hexdigest())
    keys = "\n".join(f'[keys.{key}]\nkind = "plaintext-hex"\npath = "{directory / key}"' for key in KEYS)
    tables = "\n".join(
        (
            f'[[clusters]]\nid = "HPC-{number}"\nname = "{name}"\nkey = "{key}"\ntransport = '
            '"local"\nregion = "eu"\nwork_root = "/scratch"'
        )
        for number, (name, key) in enumerate(clusters.items(), 1)
    )
    chain = f'[chain]\nid = "{CHAIN_ID}"\nendpoints = ["127.0.0.1:{chain_port}"]\npoll_seconds = 0.2'
    ledger = f'[ledger]\npath = "{directory}/ledger.sqlite"\n[metrics]\nlisten = "{listen}"'
    return "\n".join([chain, ledger, keys, tables])


def config(directory: Path, chain_port: int, clusters: dict[str, str]) -> Config:
    return parse(config_text(directory, chain_port, clusters), "provd.toml")


async def hang() -> None:
    await asyncio.Event().wait()
