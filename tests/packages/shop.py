"""A chain, a simulated site, a customer, and the installed daemon's configuration for them."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.demo import verdict
from provider_daemon.demo.environment import write_config
from provider_daemon.demo.jobs import DemoJob
from provider_daemon.demo.market import Market, opened, order
from provider_daemon.demo.sites import SimulatedDemoSite
from provider_daemon.job.state import TERMINAL, State
from tests.expect import Wrong
from tests.packages.debian import Debian
from tests.waiting import until

CONFIG = "etc/provd/provd.toml"
WAIT_SECONDS = 180  # seconds for what should happen soon
LEDGER = "var/lib/provd/ledger.sqlite"


class FarSite(SimulatedDemoSite):
    """A site whose key and known hosts are where the package keeps them."""

    def __init__(self, debian: Debian) -> None:
        super().__init__()
        self._debian = debian

    @property
    def ssh(self) -> dict[str, object]:
        return {
            name: f"/etc/provd/{Path(str(value)).name}" if "/" in str(value) else value
            for name, value in super().ssh.items()
        }

    def hand_over_keys(self) -> None:
        for name in ("key_file", "known_hosts"):
            shutil.copy(str(super().ssh[name]), self._debian.root / "etc/provd")


@dataclass(slots=True)
class Shop:
    """The chain, the site and the customer. `jobs`: id on chain -> what was ordered."""

    market: Market
    site: FarSite
    jobs: dict[str, DemoJob] = field(default_factory=dict)

    async def order(self, *orders: DemoJob) -> list[str]:
        """Submits jobs and returns their ids."""
        ids = await order(self.market.customers[0], *orders)
        self.jobs |= dict(zip(ids, orders, strict=True))
        return ids

    async def cancel(self, job_id: str) -> None:
        customer = self.market.customers[0]
        await customer.send(
            tx_pb2.MsgCancelJob(requester_address=customer.address, job_id=job_id, reason="no longer needed")
        )

    async def state(self, job_id: str) -> State:
        record = await self.market.chain.job(job_id)
        return record.state if record else State.PENDING

    async def comes_to(self, state: State, *job_ids: str) -> None:
        async def there() -> bool:
            return all([await self.state(job_id) is state for job_id in job_ids])

        await until(f"{', '.join(job_ids)} {state.value}", there, WAIT_SECONDS)

    async def all_over(self) -> None:
        async def over() -> bool:
            return all([await self.state(job_id) in TERMINAL for job_id in self.jobs])

        await until("all jobs over", over, WAIT_SECONDS)

    async def judged(self) -> str:
        """Checks every job: once in SLURM, each state once on chain, its evidence valid, its bill settled."""
        accounting = await asyncio.to_thread(self.site.accounting)
        rows = [await verdict.read(self.market, job, job_id, accounting) for job_id, job in self.jobs.items()]
        if wrong := [f"{row.job_id} ({row.title}): {problem}" for row in rows for problem in row.problems]:
            raise Wrong("\n".join(wrong))
        return f"{len(rows)} jobs once in SLURM, {sum(len(row.reports) for row in rows)} states once on chain"


@asynccontextmanager
async def shop(debian: Debian, directory: Path) -> AsyncIterator[Shop]:
    """Opens the shop, and configures the installed daemon without starting it."""
    site = FarSite(debian)
    await site.up()
    try:
        market = await opened(directory, "published")
        try:
            configure(debian, site, market)
            yield Shop(market, site)
        finally:
            await market.close()
    finally:
        await site.down()


def configure(debian: Debian, site: FarSite, market: Market) -> None:
    """Writes the configuration as an operator does: keys beside it, owned by the daemon's user."""
    place = debian.root / "etc/provd"
    config = write_config(place, site, market.secret, market.port)
    text = config.read_text().replace(str(debian.root), "")
    config.write_text(re.sub(r'^path = ".*ledger.sqlite"$', f'path = "/{LEDGER}"', text, flags=re.MULTILINE))
    site.hand_over_keys()
    for key in place.iterdir():
        if key != config:
            os.chown(key, debian.uid("provd"), -1)
