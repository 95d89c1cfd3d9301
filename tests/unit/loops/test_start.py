"""What a start does when the machine's clock was set since the last one."""

from dataclasses import replace

import pytest

from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import intend, restart_waits
from provider_daemon.loops.start import start
from tests.fakes.chain import ALICE, job
from tests.unit.job.jobs import JOB
from tests.unit.loops.conftest import House

BOOTED, NOW = 1_000_000.0, 2_000_000.0


async def in_doubt(house: House) -> Job:
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    found = house.ledger.job("JOB-1")
    assert found is not None
    with house.ledger.write():
        house.ledger.save_job(
            replace(intend(found, NOW - 3), missing_since=NOW - 500, hopeless_since=NOW - 90)
        )
    start(house.ledger, ["HPC-1"], BOOTED, NOW)
    return replace(intend(found, NOW - 3), missing_since=NOW - 500, hopeless_since=NOW - 90)


@pytest.mark.parametrize("drift", [0.0, 1.5, -1.5])
async def test_a_clock_that_ran_on_changes_nothing(house: House, drift: float) -> None:
    """However often provd is started again, a waiting window goes on."""
    before = await in_doubt(house)
    start(house.ledger, ["HPC-1"], BOOTED + drift, NOW + 10)
    assert house.ledger.job("JOB-1") == before


@pytest.mark.parametrize("step", [-86_400.0, -65.0, 65.0, 86_400.0])
async def test_after_a_step_every_wait_begins_anew(house: House, step: float) -> None:
    """An sbatch that may be under way gets its whole window; nothing is given up for having been missing too
    long."""
    before = await in_doubt(house)
    start(house.ledger, ["HPC-1"], BOOTED + step, NOW + step)
    after = house.ledger.job("JOB-1")
    assert after == restart_waits(before, NOW + step)
    assert (after.intent_at, after.missing_since, after.hopeless_since) == (NOW + step, None, None)


def test_what_is_known_in_slurm_keeps_its_intent() -> None:
    """Only a submission without an answer is in doubt; a job adopted in the future is adopted now."""
    found = replace(JOB, adopted_at=NOW + 50, slurm_id="7", intent_at=5.0)
    assert restart_waits(found, NOW) == replace(found, adopted_at=NOW)
