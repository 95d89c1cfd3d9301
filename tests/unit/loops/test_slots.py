"""max_jobs: who holds a slot, and who gets the next one."""

from dataclasses import replace

from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.state import State
from tests.fakes.chain import ALICE, BOB, job
from tests.unit.loops.conftest import TENANCY, House, house

__all__ = ["house"]


def in_slurm(house: House) -> list[str]:
    """The chain jobs of what was submitted, in order."""
    names = {
        found.name: found.spec.job_id for cluster in ("HPC-1",) for found in house.ledger.open_jobs(cluster)
    }
    return [names[order.name] for order in house.scheduler.orders]


async def test_a_customers_queue_does_not_keep_others_out(house: House) -> None:
    """Two slots and nine jobs of one customer before another's first one: it is submitted with the next free
    slot."""
    house.advance.reconfigure(replace(TENANCY, max_jobs=2))
    await house.chain.send(ALICE, *(job() for _ in range(9)))
    await house.intake.tick()
    await house.advance.tick()
    await house.chain.send(BOB, job(BOB))
    await house.intake.tick()
    await house.advance.tick()
    assert in_slurm(house) == ["JOB-1", "JOB-2"]
    house.scheduler.run()
    first = next(iter(house.scheduler.jobs))
    others = {name: found for name, found in house.scheduler.jobs.items() if name != first}
    house.scheduler.jobs = {first: house.scheduler.jobs[first]}
    house.scheduler.end(State.COMPLETED)
    house.scheduler.jobs |= others
    await house.advance.tick()
    await house.advance.tick()
    assert in_slurm(house) == ["JOB-1", "JOB-2", "JOB-10"]


async def test_parked_jobs_that_are_over_hold_no_slot(house: House) -> None:
    """Both slots are of jobs that were parked; while their SLURM jobs live the others wait, after that they
    do not."""
    house.advance.reconfigure(replace(TENANCY, max_jobs=2))
    await house.chain.send(ALICE, *(job() for _ in range(3)))
    await house.intake.tick()
    await house.advance.tick()
    house.scheduler.run()
    with house.ledger.write():
        for found in house.ledger.open_jobs("HPC-1")[:2]:
            house.ledger.save_job(replace(found, parked=Parked(ParkReason.MISSING, "")))
    await house.advance.tick()
    assert in_slurm(house) == ["JOB-1", "JOB-2"]
    house.scheduler.end(State.COMPLETED)
    await house.advance.tick()
    assert in_slurm(house) == ["JOB-1", "JOB-2", "JOB-3"]
