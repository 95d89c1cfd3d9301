"""The bytes of the ledger that planning uses, measured with jobs that ran through the loops."""

import sqlite3
from contextlib import closing

import pytest

from provider_daemon.job.state import State
from provider_daemon.planning.plan import JOB_BYTES
from tests.fakes.chain import ALICE, job
from tests.unit.loops.conftest import House

JOBS = 20
IDS = [f"JOB-{number}" for number in range(1, JOBS + 1)]


async def test_a_job(house: House) -> None:
    """From adoption to the confirmed end, when nothing of the job waits any more."""
    before = size(house)
    await house.chain.send(ALICE, *[job() for _ in range(JOBS)])
    for _ in range(3):
        await house.round()
    house.scheduler.run()
    await house.round()
    house.scheduler.end(State.COMPLETED)
    for _ in range(4):
        house.chain.block(seconds=5)
        await house.round()
    assert all((found := house.ledger.job(each)) and found.closed_at for each in IDS)
    assert (size(house) - before) / JOBS == pytest.approx(JOB_BYTES, rel=0.25)


def size(house: House) -> int:
    with closing(sqlite3.connect(house.path)) as copy:
        copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return house.path.stat().st_size
