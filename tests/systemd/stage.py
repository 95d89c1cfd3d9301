"""What a daemon needs besides its machine: a chain with an open shop, and a site with sshd.

They share the loopback interface.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.chain import evidence_check
from provider_daemon.chain.records import chain_job
from provider_daemon.chain.spec_digest import digest
from provider_daemon.demo.jobs import DemoJob
from provider_daemon.demo.market import CHAIN_ID, CLUSTER, Market, opened, order
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.lab.simulated.site import SimulatedSite
from tests.expect import Wrong, same
from tests.systemd.machine import WAIT_SECONDS
from tests.waiting import until


@dataclass(slots=True)
class Stage:
    """The stage. `jobs`: the ids of all submitted jobs."""

    market: Market
    site: SimulatedSite
    gates: Path
    jobs: list[str] = field(default_factory=list)

    async def submit(self, job: DemoJob) -> str:
        """Submits a job and returns its id; the chain has it when this returns."""
        self.jobs += await order(self.market.customers[0], job)
        return self.jobs[-1]

    async def submit_gated(self) -> tuple[str, Path]:
        """Submits a job that runs until the file exists."""
        gate = self.gates / f"gate{len(self.jobs)}"
        line = f"until [ -e {gate} ]; do sleep 0.1; done"
        return await self.submit(DemoJob("", 0, State.COMPLETED, 0, arguments=("-c", line))), gate

    async def state(self, job_id: str) -> State:
        record = await self.market.chain.job(job_id)
        assert record is not None
        return record.state

    async def becomes(self, job_id: str, state: State) -> float:
        """Returns the seconds until the job has the state. Raises Wrong."""

        async def there() -> bool:
            now = await self.state(job_id)
            if now in TERMINAL and now is not state:
                raise Wrong(f"{job_id} is {now} on chain, should become {state}")
            return now is state

        return await until(f"{job_id} is {state} on chain", there, WAIT_SECONDS)

    async def reported_once(self, job_id: str, *states: State) -> str:
        """Checks that each of the states was reported in one transaction, and no other state.

        All evidence is valid, and SLURM ran one job of its name.
        """
        record = await self.market.chain.query.job(job_id)
        assert record is not None
        txs = await self.market.chain.reports_of(job_id)
        records = {job_id: evidence_check.ChainRecord(CLUSTER, digest(record, CHAIN_ID))}
        checked = [
            verdict
            for tx in txs
            for verdict in evidence_check.check(tx.tx, CHAIN_ID, records)
            if verdict.job_id == job_id
        ]
        same(
            f"reports of {job_id}", [verdict.state for verdict in checked], [state.value for state in states]
        )
        same(
            f"what is wrong with the evidence of {job_id}",
            [verdict.why for verdict in checked if verdict.why],
            [],
        )
        name = self.market.slurm_name(chain_job(record, CHAIN_ID).spec)
        same(
            f"SLURM jobs {name}",
            sum(job.request.name == name for job in self.site.cluster.jobs.values()),
            int(State.QUEUED in states),
        )
        return ", ".join(states)


@contextlib.asynccontextmanager
async def built(directory: Path) -> AsyncIterator[Stage]:
    market = await opened(directory, "published")
    try:
        async with SimulatedSite() as site:
            yield Stage(market, site, directory)
    finally:
        await market.close()


def configuration(stage: Stage) -> str:
    """Returns provd.toml for the machine: the key is a credential, and SSH's files are in /etc/provd.

    The chain is resolved by a host name.
    """
    return f"""[chain]
id = "{CHAIN_ID}"
endpoints = ["localhost:{stage.market.port}"]
poll_seconds = 1

[keys.main]
kind = "credential"
name = "provd-key"

[[clusters]]
id = "{CLUSTER}"
name = "alpha"
key = "main"
region = "local"
account = "provd"
work_root = "{stage.site.work_root}"
poll_seconds = 1
heartbeat_seconds = 15

[clusters.ssh]
host = "127.0.0.1"
port = {stage.site.ssh["port"]}
user = "{stage.site.ssh["user"]}"
key_file = "/etc/provd/id_ed25519"
known_hosts = "/etc/provd/known_hosts"

[[clusters.images]]
pattern = "docker.io/library/*"
native = true

[log]
level = "info"
"""
