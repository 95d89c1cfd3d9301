"""What an operator may decide about one job: to end it, or to refuse it. Pure.

Both are stored with the job. The next poll of SLURM acts on them: it cancels the SLURM job, or reports the
job as failed if SLURM proves that nothing of it ran.
"""

from dataclasses import replace

from provider_daemon.job.job import Job
from provider_daemon.job.state import TERMINAL, State


class NotPossible(ValueError):
    """The job is not in a state in which this can be decided. The text says what to do instead."""


def end(job: Job, reason: str) -> Job:
    """Returns the job to be cancelled in SLURM, and reported as failed with the reason and its usage.

    Raises NotPossible.
    """
    _check(job)
    job_id = job.spec.job_id
    if job.parked:
        raise NotPossible(f"{job_id} is parked: `provd job refuse`, or unpark it first")
    if not job.submitted:
        raise NotPossible(f"{job_id} is not in SLURM yet: `provd job refuse`")
    return replace(job, end_reason=reason)


def refuse(job: Job, reason: str) -> Job:
    """Returns the waiting or parked job to be reported as failed with the reason, without usage.

    A parked job is written off: whatever SLURM shows of it is cancelled and not billed. Raises NotPossible.
    """
    _check(job)
    if job.parked:
        return replace(
            job,
            end_reason=reason,
            written_off=True,
            parked=None,
            state=State.FAILED,
            message=reason,
            exit_code=0,
            usage=None,
            settled_at=None,
            results=None,
        )
    if job.submitted:
        raise NotPossible(f"{job.spec.job_id} is in SLURM: `provd job end`")
    return replace(job, end_reason=reason)


def _check(job: Job) -> None:
    """Raises NotPossible for a job about which nothing can be decided any more."""
    job_id = job.spec.job_id
    if job.closed_at is not None or job.reported in TERMINAL:
        raise NotPossible(f"{job_id} has ended: its state on chain is {job.reported}")
    if job.end_reason and not job.parked:
        raise NotPossible(f"{job_id} is being ended already: {job.end_reason}")
    if job.hold:
        raise NotPossible(f"{job_id} is on hold: the chain's record of it is another one")
    if job.state in TERMINAL and not job.parked:
        raise NotPossible(f"{job_id} has ended: SLURM says {job.state}, and its report is due")
