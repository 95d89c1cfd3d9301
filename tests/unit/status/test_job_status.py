"""What a job waits for."""

from dataclasses import replace

import pytest

from provider_daemon.job.job import Job
from provider_daemon.job.leases import Lease
from provider_daemon.job.state import State
from provider_daemon.status.job_status import without_user
from tests.unit.job.jobs import JOB

POOL = ("c1", "c2")
OTHERS = [Lease("HPC-1", user, "ve1other", 1.0, confirmed_at=1.0) for user in POOL]
OWN = replace(OTHERS[0], customer=JOB.spec.customer)
SUBMITTED = replace(JOB, state=State.QUEUED, slurm_id="7")


@pytest.mark.parametrize(
    ("job", "pool", "leases", "found"),
    [
        (JOB, POOL, OTHERS, "none of 2 is free"),
        (JOB, POOL, [OTHERS[0], replace(OTHERS[1], customer="", held_by="x")], "none of 2 is free"),
        (JOB, POOL, [replace(OWN, free_at=9.0), OTHERS[1]], "none of 2 is free"),
        (JOB, POOL, OTHERS[:1], "leased at the next tick"),
        (JOB, POOL, [OTHERS[0], replace(OTHERS[1], user="of-another-pool")], "leased at the next tick"),
        (JOB, POOL, [OWN], ""),
        (JOB, (), [], ""),
        (replace(JOB, user="c1"), POOL, OTHERS, ""),
        (SUBMITTED, POOL, OTHERS, ""),
    ],
)
def test_waiting_for_a_unix_user(job: Job, pool: tuple[str, ...], leases: list[Lease], found: str) -> None:
    """Only a job that was never submitted waits for one: while each of the pool serves somebody, or is in
    quarantine."""
    why = without_user(job, pool, leases)
    assert bool(why) == bool(found)
    assert found in why
