"""How long a job may run, and what becomes of one that runs longer."""

from dataclasses import replace

import pytest

from provider_daemon.job.lifecycle import KILL_GRACE, Cancel, decide, intend, kill_after, observe, wall_limit
from provider_daemon.job.snapshot import Phase
from provider_daemon.job.state import State
from tests.unit.job.jobs import JOB, NOW, ended, look, seen

POLL, SACCT, BLOCK = 5, 2, 6  # seconds of the slowest that is usual


def test_time_limit_by_the_script_is_a_timeout() -> None:
    """The script ends its program to the second, which SLURM calls FAILED: at the limit it is a time-out."""
    job = observe(intend(JOB, NOW), look(ended(State.FAILED, exit_code=124, elapsed=570)), NOW)
    assert (job.state, job.exit_code) == (State.TIMEOUT, 124)
    early = observe(intend(JOB, NOW), look(ended(State.FAILED, exit_code=124, elapsed=569)), NOW)
    assert early.state is State.FAILED


def test_time_limit_of_a_job_that_was_suspended() -> None:
    """The script's limit and the chain's go on meanwhile, SLURM's elapsed time does not: what ended it was
    the limit all the same."""
    over = {"exit_code": 124, "elapsed": 20, "started_at": 1000}
    job = observe(intend(JOB, NOW), look(ended(State.FAILED, ended_at=1570, **over)), NOW)
    assert (job.state, "reached its time limit" in job.message) == (State.TIMEOUT, True)
    early = observe(intend(JOB, NOW), look(ended(State.FAILED, ended_at=1569, **over)), NOW)
    assert early.state is State.FAILED
    failed_by_itself = observe(
        intend(JOB, NOW), look(ended(State.FAILED, ended_at=1570, **{**over, "exit_code": 1})), NOW
    )
    assert failed_by_itself.state is State.FAILED


def test_outlived_limit_is_cancelled() -> None:
    """A program that escaped its script's limit is ended from outside."""
    running = seen(Phase.RUNNING, elapsed=570 + KILL_GRACE + 1)
    job = observe(replace(JOB, slurm_id="7"), look(running), NOW)
    assert decide(job, look(running)) == Cancel("7")


def test_wall_limit() -> None:
    """The margin is kept, but never more than a quarter of a short job."""
    assert (wall_limit(3600, 30), wall_limit(60, 30), wall_limit(90, 30)) == (3570, 45, 68)


@pytest.mark.parametrize("asked", [60, 61, 90, 119, 120, 3600])
@pytest.mark.parametrize("margin", [0, 5, 30, 300])
def test_a_program_that_ignores_its_limit(asked: int, margin: int) -> None:
    """Killed with two thirds of the margin left for the report; with no margin at all a second late, and no
    more.

    The chain's time counts from the block that holds the report of running: a poll and a block later than
    SLURM's, on average half of it."""
    limit = wall_limit(asked, margin)
    killed = limit + kill_after(asked, limit)
    assert killed <= max(asked - (asked - limit) * 2 // 3, limit + 1)
    if margin >= 30:
        assert killed + POLL + SACCT + BLOCK <= asked + (POLL + BLOCK) / 2
