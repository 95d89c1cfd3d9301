"""The jobs that run during a fault, and the comparison of their results."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.chain.job_names import job_name
from provider_daemon.chain.records import chain_job
from provider_daemon.demo.jobs import DemoJob, shell
from provider_daemon.demo.market import CHAIN_ID, order
from provider_daemon.errors import Transient
from provider_daemon.job.state import TERMINAL, State
from tests.faults.house import House

SLURM_SAYS = {State.COMPLETED: "COMPLETED", State.FAILED: "FAILED"}
ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"})


@dataclass(slots=True)
class Job:
    """A job.

    `state` and `exit_code` are the expected result; `gate` is the file that the job waits for before it ends.
    """

    state: State
    exit_code: int
    gate: Path | None = None
    job_id: str = ""
    name: str = ""

    def let_end(self) -> None:
        assert self.gate is not None
        self.gate.touch()

    def _command(self) -> str:
        wait = f"until [ -e {self.gate} ]; do sleep 0.1; done; " if self.gate else ""
        return f"{wait}exit {self.exit_code}"

    @property
    def order(self) -> DemoJob:
        return DemoJob("", 0, self.state, self.exit_code, arguments=shell(self._command()))

    async def chain_state(self, house: House) -> State:
        record = await house.chain.job(self.job_id)
        assert record is not None
        return record.state

    async def ended_on_chain(self, house: House) -> bool:
        return await self.chain_state(house) in TERMINAL


async def submit(house: House, jobs: list[Job]) -> None:
    """Submits all jobs in one transaction; the chain has them when this returns."""
    ids = await order(house.customer, *(job.order for job in jobs))
    for job, job_id in zip(jobs, ids, strict=True):
        job.job_id = job_id
        record = await house.chain.query.job(job.job_id)
        assert record is not None
        job.name = job_name(house.provider.signer, chain_job(record, CHAIN_ID).spec)


def accounting(house: House) -> dict[str, list[tuple[str, str]]]:
    try:
        return house.site.accounting()
    except Transient:
        return {}


async def ended_in_slurm(house: House, job: Job) -> bool:
    found = (await asyncio.to_thread(accounting, house)).get(job.name, [])
    return any(state.split()[0] in ENDED for state, _ in found)


@dataclass(frozen=True, slots=True)
class Truth:
    """The problems with a fault's jobs after their end, in words."""

    wrong: list[str]
    lost: list[str]


async def compare(house: House, jobs: list[Job]) -> Truth:
    """Compares the chain's records with sacct, and both with the expected results."""
    wrong, lost = [], []
    found = await asyncio.to_thread(house.site.accounting)
    for job in jobs:
        record = await house.chain.query.job(job.job_id)
        assert record is not None
        state, in_slurm = await job.chain_state(house), found.get(job.name, [])
        if state not in TERMINAL:
            lost.append(f"{job.job_id} is still {state} on chain")
        elif (state, record.exit_code) != (job.state, job.exit_code):
            wrong.append(
                f"{job.job_id} is {state} with exit code {record.exit_code} on chain, and ended as "
                f"{job.state} {job.exit_code}"
            )
        if len(in_slurm) != 1:
            (lost if not in_slurm else wrong).append(f"{job.job_id} is {len(in_slurm)} times in sacct")
        elif in_slurm[0] != (SLURM_SAYS[job.state], f"{job.exit_code}:0"):
            wrong.append(f"{job.job_id}: sacct says {in_slurm[0]}")
    return Truth(wrong, lost)
