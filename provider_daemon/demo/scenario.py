"""The demo's course: the jobs are submitted, one is cancelled, all end, and the verdict is read."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.demo import verdict as verdicts
from provider_daemon.demo.data import fetched
from provider_daemon.demo.environment import Environment
from provider_daemon.demo.hostile import hostile_problems, hostile_program
from provider_daemon.demo.jobs import DemoJob, demo_jobs
from provider_daemon.demo.market import order
from provider_daemon.demo.node_agents import node_problems
from provider_daemon.demo.report import progress
from provider_daemon.demo.sites import Accounting
from provider_daemon.demo.statement import statement_problems
from provider_daemon.demo.verdict import JobVerdict, Settlement
from provider_daemon.errors import Transient
from provider_daemon.job.state import TERMINAL, State

LIMIT_SECONDS = 170
# After the last job ended, the daemon still has to see the end of its cancelled job, and sacct its last
# records.
SETTLE_SECONDS = 20
LIVE = ("PENDING", "RUNNING", "COMPLETING")


@dataclass(slots=True)
class Scenario:
    """The demo's course. `say` is called with a short text after each change."""

    stage: Environment
    say: Callable[[str], None]
    jobs: dict[str, DemoJob] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    limit: float = LIMIT_SECONDS

    async def run(self) -> tuple[list[JobVerdict], Settlement, list[str]]:
        """Returns the rows, where the money went, and the problems beyond the rows."""
        before = await verdicts.balances(self.stage.market)
        stage = self.stage
        await stage.data.bring(stage.market, stage.market.customers[0], stage.url)
        await self._submit()
        late = await self.watch()
        accounting = await self._accounting()
        rows = [await self._verdict(job, job_id, accounting) for job_id, job in self.jobs.items()]
        measured = await verdicts.settlement(stage.market, sum(row.escrowed for row in rows), before)
        problems = late + verdicts.settlement_problems(measured, rows)
        problems += await statement_problems(stage, measured, len(rows))
        if stage.agents:
            problems += await node_problems(stage.market, stage.agents, self.say)
        return rows, measured, problems + await stage.data.delivery_problems()

    async def _verdict(self, job: DemoJob, job_id: str, accounting: Accounting) -> JobVerdict:
        row = await verdicts.read(self.stage.market, job, job_id, accounting)
        if job.image.startswith("evil/"):
            row.problems += await hostile_problems(self.stage, job_id)
        if job.reaches_slurm:
            await self._fetch(row, job)
        return row

    async def _fetch(self, row: JobVerdict, job: DemoJob) -> None:
        """Fetches the results as the customer. No report signs those of a job that the chain ended."""
        owner, other = (self.stage.market.customers[(job.customer + turn) % 2] for turn in (0, 1))
        row.results, problems = await fetched(self.stage.market, owner, other, self.stage.url, row.job_id)
        row.problems += problems
        if row.state == State.COMPLETED and not row.results.endswith("verified"):
            row.problems.append("its results are not signed with its final report")
        if job.references and row.usage.get("network_bytes_in") != sum(
            each.size_bytes for each in job.references
        ):
            row.problems.append("the bytes of its input are not in its usage")

    async def _submit(self) -> None:
        """Submits the jobs of each customer in one transaction."""
        program = str(hostile_program(self.stage.site))
        data, other = self.stage.data, self.stage.market.customers[1]
        jobs = demo_jobs(program, data.references, data.outputs_pointer(other.address))
        numbered: dict[int, DemoJob] = {}
        for number, customer in enumerate(self.stage.market.customers):
            mine = [job for job in jobs if job.customer == number]
            for job, job_id in zip(mine, await order(customer, *mine), strict=True):
                numbered[int(job_id.removeprefix("JOB-"))] = job
        self.jobs = {f"JOB-{number}": job for number, job in sorted(numbered.items())}

    async def watch(self) -> list[str]:
        """Waits until all jobs have ended. Returns the jobs that have not as a problem."""
        deadline = time.monotonic() + self.limit
        cancelled: set[str] = set()
        served = True
        while not await self._look():
            if served and not self.stage.daemon.running:
                self.say(
                    "THE DAEMON HAS STOPPED; to resume its jobs, start it again: provd run -c "
                    f"{self.stage.config}"
                )
            served = self.stage.daemon.running
            for job_id, job in self.jobs.items():
                if (
                    job.cancelled_by_customer
                    and self.states[job_id] is State.RUNNING
                    and job_id not in cancelled
                ):
                    cancelled.add(job_id)
                    await self._cancel(job_id, job)
            if time.monotonic() > deadline:
                late = ", ".join(job_id for job_id, state in self.states.items() if state not in TERMINAL)
                return [
                    (
                        f"not ended after {self.limit:.0f} s: {late}; the daemon's log "
                        f"ends:\n{self.stage.daemon.last_words()}"
                    )
                ]
            await asyncio.sleep(0.5)
        return []

    async def _look(self) -> bool:
        """Polls the chain; reports whether every job has ended."""
        seen: dict[str, State] = {}
        for job_id in self.jobs:
            record = await self.stage.market.chain.job(job_id)
            seen[job_id] = record.state if record else State.PENDING
        if seen != self.states:
            self.states = seen
            self.say(progress(seen))
        return all(state in TERMINAL for state in seen.values())

    async def _cancel(self, job_id: str, job: DemoJob) -> None:
        customer = self.stage.market.customers[job.customer]
        await customer.send(
            tx_pb2.MsgCancelJob(requester_address=customer.address, job_id=job_id, reason="no longer needed")
        )

    async def _accounting(self) -> Accounting:
        """Returns sacct's records, once it answers and reports no running job of ours."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            late = time.monotonic() > deadline
            try:
                found = await asyncio.to_thread(self.stage.site.accounting)
            except Transient:
                if late:
                    raise
            else:
                live = any(state in LIVE for jobs in found.values() for state, _ in jobs)
                if late or not live:
                    return found
            await asyncio.sleep(0.5)
