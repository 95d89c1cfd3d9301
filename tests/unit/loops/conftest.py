"""The loops over a devnet in this process and a scheduler that the test moves: no sleeps, every tick is
called."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest_asyncio

from provider_daemon.job.admission import Image, Limits, SitePolicy
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.loops.heartbeat import Heartbeat
from provider_daemon.loops.intake import Intake
from provider_daemon.loops.outbox import Outbox, OutboxSettings
from tests.fakes.chain import PROVIDER, TestChain
from tests.fakes.scheduler import FakeScheduler

TENANCY = ServedCluster(
    cluster_id="HPC-1",
    name="alpha",
    signer=PROVIDER,
    work_root="/work",
    region="eu",
    site=SitePolicy(images=(Image("alpine:*"),), limits=Limits(max_cpus_per_node=16)),
)

DUE_SECONDS = 120.0  # after that time heartbeats are sent although nothing changed


@dataclass
class House:
    """All four loops; `restart` drops every object and keeps the ledger file, as a kill does; `lose_ledger`
    keeps not even that."""

    chain: TestChain
    scheduler: FakeScheduler
    path: Path
    settings: OutboxSettings = field(default_factory=OutboxSettings)
    served: dict[str, ServedCluster] = field(default_factory=lambda: {"HPC-1": TENANCY})

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.ledger = Ledger.open(self.path)
        clock, client = self.chain.clock, self.chain.client
        self.intake = Intake(self.ledger, client, self.served, clock, lambda: None)
        self.advance = Advance(self.ledger, self.scheduler, TENANCY, clock, lambda: None)
        self.outbox = Outbox(self.ledger, client, PROVIDER, self.settings, clock, lambda: None)
        self.heartbeat = Heartbeat(self.ledger, self.scheduler, client, TENANCY, clock)

    def restart(self) -> None:
        self.ledger.close()
        self.open()

    def lose_ledger(self) -> None:
        """Until `open` makes another."""
        self.ledger.close()
        for file in self.path.parent.glob(f"{self.path.name}*"):
            file.unlink()

    async def report(self) -> None:
        """Sends what waits, makes a block, and learns what became of it."""
        await self.outbox.tick()
        self.chain.block()
        await self.outbox.tick()

    async def round(self) -> None:
        await self.intake.tick()
        await self.advance.tick()
        await self.report()

    async def state(self, job_id: str = "JOB-1") -> str:
        """What the chain says."""
        record = await self.chain.client.job(job_id)
        assert record is not None
        return record.state.value


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    chain = await TestChain().start()
    await chain.open_shop()
    made = House(chain, FakeScheduler(chain.clock), tmp_path / "ledger.sqlite")
    await made.advance.tick()  # the ledger is older than the jobs
    yield made
    made.ledger.close()
    await chain.stop()
