"""Measurements of reports.

How many reports fit into a transaction, their gas on the devnet, and how long a new job waits behind a
backlog.
"""

import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.fakes.chain import ALICE, PROVIDER, TestChain, job
from tests.fakes.scheduler import FakeScheduler
from tests.unit.loops.conftest import House

JOBS = 100
BACKLOG = 10_000
JOBS_A_TX = 20
# of a transaction of new jobs: each submission reads all jobs in the chain's store
GAS, FEE = 4_000_000_000, 100_000_000


@asynccontextmanager
async def house(jobs: int) -> AsyncIterator[House]:
    """A devnet and the loops, with the given number of jobs in SLURM whose first reports wait."""
    chain = await TestChain().start()
    await chain.open_shop()
    made = House(chain, FakeScheduler(chain.clock), Path(tempfile.mkdtemp()) / "ledger.sqlite")
    await made.advance.tick()  # the ledger is older than the jobs
    await new_jobs(made, jobs)
    yield made
    made.ledger.close()
    await chain.stop()


async def new_jobs(made: House, count: int) -> None:
    for start in range(0, count, JOBS_A_TX):
        wanted = [job() for _ in range(min(JOBS_A_TX, count - start))]
        assert (await made.chain.send(ALICE, *wanted, gas_limit=GAS, fee=FEE)).ok
    await made.intake.tick()
    await made.advance.tick()


async def reports_in_one_transaction(say: Callable[[str], None]) -> None:
    """Measures a hundred jobs that become queued in one poll."""
    async with house(JOBS) as made:
        await made.report()
        (tx,) = made.ledger.last_txs(10)
        share = tx.gas_used // tx.messages
        say(f"reports a transaction: {tx.messages}, gas a report: {share} (devnet), fee {tx.fee} uve in all")


async def a_job_behind_a_backlog(say: Callable[[str], None]) -> int:
    """Returns how many transactions precede the block with a new job's first report, including its own."""
    async with house(BACKLOG) as made:
        began = time.monotonic()
        await made.advance.tick()
        tick = time.monotonic() - began
        await new_jobs(made, 1)
        waiting = len(made.ledger.waiting_messages(PROVIDER.address))
        txs = 0
        while await made.state(f"JOB-{BACKLOG + 1}") == "pending":
            began, txs = time.monotonic(), txs + 1
            await made.report()
        say(
            f"behind {waiting - 1} waiting reports a new job's report is in transaction {txs} of the next "
            f"{waiting // JOBS}; {1000 * tick:.0f} ms a look at all their jobs, "
            f"{1000 * (time.monotonic() - began):.0f} ms a transaction"
        )
        return txs
