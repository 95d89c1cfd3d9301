"""A devnet that makes its own blocks, alice's shop on it, and a daemon with her key, all in this process."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import pytest_asyncio
import structlog

from provider_daemon.config.model import load
from provider_daemon.daemon.app import Daemon
from tests.fakes import chain as fake_chain
from tests.unit.cli import shop as shops
from tests.unit.cli.shop import Shop, example
from tests.unit.daemons import PATIENCE, config_text


@dataclass
class Beside:
    """`shop.run` is a command of an operator beside `daemon`. SLURM does not answer."""

    shop: Shop
    daemon: Daemon
    logs: list[MutableMapping[str, Any]] = field(default_factory=list)

    async def cluster(self) -> str:
        found = await self.daemon._chain.cluster("HPC-1")
        assert found is not None
        return found.state

    async def until_cluster_is(self, state: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.cluster() != state:
                await asyncio.sleep(0.02)

    def recorded(self) -> list[tuple[str, str, str]]:
        """(action, object, detail) of what operators did through the daemon, from the audit log."""
        files = sorted((self.shop.directory / "audit").glob("*.jsonl"))
        records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [
            (each["action"], each["object"], each["detail"])
            for each in records
            if each["actor_kind"] == "operator" and each["action"] != "transaction_sent"
        ]


def write_config(directory: Path, chain_port: int) -> Path:
    text = config_text(directory, chain_port, {"alpha": "other"})
    # in quotes, because pytest's own directory may be named pytest-1
    text = text.replace(f'"{fake_chain.CHAIN_ID}"', f'"{shops.CHAIN_ID}"')
    (directory / "provd.toml").write_text(text)
    return directory / "provd.toml"


@asynccontextmanager
async def running(file: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(load(file), file)
    task = asyncio.create_task(daemon.run())
    try:
        async with asyncio.timeout(PATIENCE):
            while not (file.parent / "control.sock").exists():
                await asyncio.sleep(0.01)
        yield daemon
    finally:
        daemon.stop.set()
        await task


@pytest_asyncio.fixture
async def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """alice's cluster HPC-1 and offering OFF-1, and the configuration of a daemon that does not run yet.

    On a chain of its own: commands ask every daemon of this machine, and another run may have one.
    """
    monkeypatch.setattr(shops, "CHAIN_ID", f"cli-{token_hex(4)}")
    async with shops.shop(tmp_path) as opened:
        for name in ("register-cluster", "update-cluster", "create-offering"):
            await opened.done(example("tx", name))
        write_config(tmp_path, opened.devnet.port)
        yield opened


@pytest_asyncio.fixture
async def beside(market: Shop) -> AsyncIterator[Beside]:
    with structlog.testing.capture_logs() as logs:
        async with running(market.directory / "provd.toml") as daemon:
            yield Beside(market, daemon, logs)
