"""SLURM jobs without their job's claim, from the poll to the chain: reported, billed and submitted again."""

from dataclasses import replace

from provider_daemon.job.claim import CLAIMED, UNCLAIMED, Claim
from provider_daemon.job.lifecycle import WAITING_WINDOW
from provider_daemon.job.state import State
from provider_daemon.ledger.event_kind import EventKind
from tests.fakes.chain import ALICE, job
from tests.unit.loops.conftest import House


async def started(house: House) -> str:
    """Returns the name of a job that SLURM runs, and the chain knows it."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.scheduler.run()
    await house.round()
    assert await house.state() == "running"
    return house.scheduler.orders[0].name


def events(house: House) -> list[str]:
    return [event.what for event in house.ledger.events_of("JOB-1")]


async def test_a_job_that_could_not_be_claimed_runs_later(house: House) -> None:
    """The chain already has it as running: it stays so until its second SLURM job has ended, which alone is
    billed."""
    name = await started(house)
    house.scheduler.end(State.FAILED, UNCLAIMED)
    (seen,) = house.scheduler.jobs[name]
    house.scheduler.jobs[name] = [replace(seen, unclaimed=True)]
    await house.round()
    await house.round()
    assert len(house.scheduler.orders) == 1
    house.chain.clock.time += WAITING_WINDOW + 1
    await house.round()
    assert len(house.scheduler.orders) == 2
    assert await house.state() == "running"
    house.scheduler.run()
    await house.round()
    house.scheduler.end(State.COMPLETED)
    await house.round()
    await house.round()
    assert await house.state() == "completed"
    found = house.ledger.job("JOB-1")
    assert found is not None
    assert (found.slurm_id, found.attempt, found.unclaimed) == ("2", 1, ("1",))
    assert events(house).count(EventKind.UNCLAIMED) == 1


async def test_a_duplicate_is_billed_to_nobody(house: House) -> None:
    """The SLURM job of another daemon runs the job: its end is the one that is reported."""
    name = await started(house)
    (mine,) = house.scheduler.jobs[name]
    house.scheduler.jobs[name].append(replace(mine, slurm_id="7"))
    house.scheduler.end(State.FAILED, CLAIMED)
    mine, other = house.scheduler.jobs[name]
    claim = Claim("7", "/work/other")
    completed = replace(other, outcome=State.COMPLETED, slurm_state="COMPLETED", exit_code=0)
    house.scheduler.jobs[name] = [replace(mine, duplicate=claim), completed]
    for _ in range(3):
        await house.round()
    assert await house.state() == "completed"
    found = house.ledger.job("JOB-1")
    assert found is not None
    assert (found.slurm_id, found.duplicate_of, found.directory) == ("7", "7", "/work/other")
    assert events(house).count(EventKind.DUPLICATE) == 1
