"""A ledger that the daemon of schema version 1 left in the middle of its work: the new daemon opens it, and
every job goes on."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from provider_daemon.chain.broadcast import INDEX_LAG
from provider_daemon.job.lifecycle import WAITING_WINDOW
from provider_daemon.job.naming import public_name
from provider_daemon.job.snapshot import Phase, Run, Sighting
from provider_daemon.job.state import State
from provider_daemon.ledger import file
from provider_daemon.ledger.check import check
from provider_daemon.ports import Submission
from tests.fakes.chain import ALICE, CHAIN_ID, TestChain, cancel, job
from tests.fakes.scheduler import FakeScheduler
from tests.unit.ledger.conftest import write_old_ledger
from tests.unit.loops.conftest import House

SUBMITTED = 6  # JOB-1 to JOB-6 are SLURM jobs 1 to 6


def rows(path: Path, query: str) -> list[tuple[str, bytes]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


async def retell(chain: TestChain, path: Path) -> None:
    """The chain as the old daemon left it: the same jobs, and the very transactions that its ledger holds as
    included."""
    for _ in range(6):
        await chain.send(ALICE, job())
    for tx_hash, tx_bytes in rows(
        path, "SELECT tx_hash, tx_bytes FROM txs WHERE status = 'included' ORDER BY sequence"
    ):
        assert (await chain.client.broadcast(tx_bytes)).ok
        chain.block()
        found = await chain.client.find(tx_hash)
        assert found is not None
        assert found.ok
    for message in (cancel("JOB-6"), job(), job(queue_name="nowhere"), job()):
        await chain.send(ALICE, message)
    for number in range(1, 10):
        await made_when_the_ledger_says(chain, path, f"JOB-{number}")


async def made_when_the_ledger_says(chain: TestChain, path: Path, job_id: str) -> None:
    """Created at the same moment on both sides: by that the daemon knows its jobs again."""
    record = await chain.client.job(job_id)
    assert record is not None
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE jobs SET name = ?, value = json_set(value, '$.spec.created_ns', ?) WHERE job_id = ?",
            (public_name(record.spec), record.spec.created_ns, job_id),
        )


def site(chain: TestChain, path: Path) -> FakeScheduler:
    """SLURM as the old daemon left it, with one thing that it did not know: JOB-4's sbatch had gone
    through."""
    names = dict(rows(path, "SELECT job_id, name FROM jobs"))

    def seen(number: int, phase: Phase, state: str) -> Sighting:
        return Sighting(str(number), str(names[f"JOB-{number}"]), phase, state, submitted_at=1_900_000_000)

    failed = replace(
        seen(3, Phase.ENDED, "FAILED"),
        outcome=State.FAILED,
        exit_code=3,
        final=True,
        runs=(Run(60, 2, 4096, 1, start=1_900_000_000, end=1_900_000_060),),
    )
    there = (
        seen(2, Phase.RUNNING, "RUNNING"),
        failed,
        seen(4, Phase.WAITING, "PENDING"),
        seen(5, Phase.UNKNOWN, "MELTED"),
    )
    old_orders = [Submission(f"old-{number}", "", "") for number in range(SUBMITTED)]
    return FakeScheduler(chain.clock, {sighting.name: [sighting] for sighting in there}, old_orders)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    path = tmp_path / "ledger.sqlite"
    write_old_ledger(path)
    chain = await TestChain().start()
    await chain.open_shop()
    await retell(chain, path)
    chain.block(30)
    made = House(chain, site(chain, path), path)
    made.ledger.claim(CHAIN_ID)
    yield made
    made.ledger.close()
    await chain.stop()


@pytest.mark.parametrize("fate", ["included", "forgotten", "expired"])
async def test_every_job_goes_on(house: House, fate: str) -> None:
    """Nothing is submitted twice, the open transaction is resolved whatever became of it, and every job ends
    and is reported."""
    ((open_hash, open_bytes),) = rows(house.path, "SELECT tx_hash, tx_bytes FROM txs WHERE status = 'open'")
    if fate == "included":
        assert (await house.chain.client.broadcast(open_bytes)).ok
        house.chain.block()
    if fate == "expired":
        ((until, _),) = rows(house.path, "SELECT timeout_height, tx_bytes FROM txs WHERE status = 'open'")
        while house.chain.devnet.blocks.height <= int(until) + INDEX_LAG:
            house.chain.block()
    await house.round()
    await house.round()
    assert [row.status for row in house.ledger.last_txs(100) if row.tx_hash == open_hash] == [
        "expired" if fate == "expired" else "included"
    ]
    # JOB-9 was never submitted: but who says that this ledger is the newest?
    assert len(house.scheduler.orders) == SUBMITTED
    house.chain.clock.time += WAITING_WINDOW
    house.scheduler.jobs = {
        name: [
            replace(seen, phase=Phase.WAITING, slurm_state="PENDING")
            if seen.slurm_state == "MELTED"
            else seen
            for seen in found
        ]
        for name, found in house.scheduler.jobs.items()
    }
    await house.round()
    await house.round()
    assert [order.name.rpartition("-JOB-")[2] for order in house.scheduler.orders[SUBMITTED:]] == ["9", "7"]
    house.scheduler.run()
    await house.round()
    house.scheduler.end(State.COMPLETED)
    for _ in range(4):
        await house.round()
    states = [await house.state(f"JOB-{number}") for number in range(1, 10)]
    assert states == [
        *(
            "completed",
            "completed",
            "failed",
            "completed",
            "completed",
            "cancelled",
            "completed",
            "failed",
            "completed",
        )
    ]
    assert len(house.scheduler.orders) == SUBMITTED + 2
    assert house.ledger.open_jobs("HPC-1") == []
    assert house.ledger.quarantined() == []


async def test_what_the_new_daemon_makes_of_it_is_in_order(house: House) -> None:
    """Brought forward and gone on with, the ledger breaks none of the promises between its rows, at any
    step."""
    for _ in range(6):
        await house.round()
        house.chain.clock.time += WAITING_WINDOW / 2
        with closing(file.connect(house.path, readonly=True)) as connection:
            assert check(connection, CHAIN_ID).findings == []
