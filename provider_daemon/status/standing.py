"""Where a job stands, in one word, and why it does not go on. Pure."""

from enum import StrEnum

from provider_daemon.job.hold import EXPLAINED
from provider_daemon.job.lifecycle import HOPELESS_PATIENCE, Job
from provider_daemon.job.state import TERMINAL, State


class Standing(StrEnum):
    """`ENDING`: it is over, and the chain has not confirmed that yet."""

    PARKED = "parked"
    WAITING = "waiting"
    RUNNING = "running"
    ENDING = "ending"
    ENDED = "ended"


def standing(job: Job) -> Standing:
    if job.closed_at is not None:
        return Standing.ENDED
    if job.parked:
        return Standing.PARKED
    return Standing.ENDING if job.reported in TERMINAL else by_state(job.state)


def by_state(state: State) -> Standing:
    """Of an open job that is not parked, and that the chain does not call over."""
    if state in TERMINAL:
        return Standing.ENDING
    return Standing.RUNNING if state is State.RUNNING else Standing.WAITING


def why(job: Job) -> str:
    """Of an open job what it waits for, of an ended one what the customer was told."""
    if job.hold:
        return ": ".join(filter(None, (EXPLAINED[job.hold], job.message)))
    if job.closed_at is not None:
        return job.message
    if job.parked:
        return f"parked ({job.parked.reason}): {job.parked.detail}"
    if job.refused:
        return f"is being ended: {job.refused}"
    return _doubt(job) or _next(job)


def _doubt(job: Job) -> str:
    if job.missing_since is not None:
        return "SLURM did not show it at the last look; asked again"
    if job.hopeless_since is not None:
        return f"SLURM's reason to wait never goes away; ended after {HOPELESS_PATIENCE} s of it"
    return ""


def _next(job: Job) -> str:
    if job.reported in TERMINAL:
        over = job.measured or job.never_ran
        return "over; closed at the next look" if over else f"the chain says {job.reported}; what is left of it in SLURM is ended"
    if job.state in TERMINAL:
        return f"the chain has not confirmed {job.state} yet"
    if not job.slurm_id:
        return "sbatch was asked; looking for its SLURM job" if job.intent_at is not None else "to be submitted at the next look"
    if job.state is not job.reported:
        return f"the chain has not confirmed {job.state} yet"
    return "in SLURM's queue" if job.state is State.QUEUED else ""
