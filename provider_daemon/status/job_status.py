"""A job's status as one word, and what the job waits for. Pure."""

from collections.abc import Collection, Sequence
from enum import StrEnum

from provider_daemon.job.data import brings_data
from provider_daemon.job.hold import EXPLAINED
from provider_daemon.job.job import Job
from provider_daemon.job.leases import Lease, LeaseState, needs_user
from provider_daemon.job.lifecycle import HOPELESS_PATIENCE
from provider_daemon.job.state import TERMINAL, State


class JobStatus(StrEnum):
    """`ENDING`: the job has ended, and the chain has not confirmed that yet."""

    PARKED = "parked"
    WAITING = "waiting"
    RUNNING = "running"
    ENDING = "ending"
    ENDED = "ended"


def standing(job: Job) -> JobStatus:
    if job.closed_at is not None:
        return JobStatus.ENDED
    if job.parked:
        return JobStatus.PARKED
    return JobStatus.ENDING if job.reported in TERMINAL else by_state(job.state)


def by_state(state: State) -> JobStatus:
    """Returns the status of an open job that is not parked and has not ended on chain."""
    if state in TERMINAL:
        return JobStatus.ENDING
    return JobStatus.RUNNING if state is State.RUNNING else JobStatus.WAITING


def why(job: Job, *, silent: bool = False) -> str:
    """Returns what an open job waits for, or the message to the customer of an ended one.

    `silent`: the cluster's SLURM did not answer the last poll.
    """
    if job.hold:
        return ": ".join(filter(None, (EXPLAINED[job.hold], job.message)))
    if job.closed_at is not None:
        return job.message
    if job.parked:
        return f"parked ({job.parked.reason}): {job.parked.detail}"
    if job.refused:
        return f"refused, being ended: {job.refused}"
    if silent and _waits_for_slurm(job):
        return "; ".join(filter(None, ("SLURM does not answer", _doubt(job) or _next(job))))
    return _doubt(job) or _next(job)


def _waits_for_slurm(job: Job) -> bool:
    return job.state not in TERMINAL or not (job.measured or job.never_ran)


def without_user(job: Job, pool: Sequence[str], leases: Collection[Lease]) -> str:
    """Returns why a job of a cluster with a pool of Unix users has none yet; "" if it has, or needs none.

    `leases`: those of the cluster that have not ended.
    """
    if not pool or job.user or not needs_user(job) or any(_serves(lease, job) for lease in leases):
        return ""
    taken = {lease.user for lease in leases}.intersection(pool)
    if len(taken) < len(pool):
        return "waiting for a Unix user of the pool, one of which is free: it is leased at the next tick"
    return f"waiting for a Unix user of the pool: none of {len(pool)} is free; see `provd site leases`"


def _serves(lease: Lease, job: Job) -> bool:
    return lease.state is LeaseState.LEASED and lease.customer == job.spec.customer


def _doubt(job: Job) -> str:
    if job.missing_since is not None:
        return "not found in SLURM at the last poll; checking again"
    if job.hopeless_since is not None:
        return f"pending in SLURM for a permanent reason; cancelled after {HOPELESS_PATIENCE} s"
    return ""


def _next(job: Job) -> str:
    if job.reported in TERMINAL:
        over = job.measured or job.never_ran
        return (
            "ended; closed at the next tick" if over else f"{job.reported} on chain; cancelling its SLURM job"
        )
    if job.measured and not job.settled:
        return f"{job.state}; the report waits for the manifest of the results"
    if job.state in TERMINAL:
        return f"waiting for the chain to confirm {job.state}"
    if not job.slurm_id:
        if job.intent_at is not None:
            return "submitted; searching for its SLURM job"
        return (
            "waiting for its inputs or for submission" if brings_data(job.spec) else "waiting for submission"
        )
    if job.state is not job.reported:
        return f"waiting for the chain to confirm {job.state}"
    return "pending in SLURM" if job.state is State.QUEUED else ""
