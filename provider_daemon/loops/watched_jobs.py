"""Selects the jobs to query in SLURM, and how each is recognised."""

from collections.abc import Sequence
from dataclasses import replace

from provider_daemon.job.job import Job
from provider_daemon.job.state import State
from provider_daemon.ports import Watch

# seconds that the site's clock may be behind the chain's: a job whose SLURM record seems older than the job
# would appear absent
SKEW = 86_400


def watch(jobs: Sequence[Job]) -> Watch:
    """Returns the jobs to query: all but those whose final SLURM record is known."""
    asked = [job for job in jobs if not (job.measured or job.never_ran or job.closed_at)]
    return replace(
        followed(asked),
        names=frozenset(job.name for job in asked),
        doubtful=frozenset(job.name for job in asked if not job.slurm_id or job.missing_since is not None),
        since=min((job.spec.created_ns // 1_000_000_000 - SKEW for job in asked), default=0),
        intents=frozenset(job.name for job in asked if _may_be_submitted(job)),
        users=_users(asked),
    )


def _may_be_submitted(job: Job) -> bool:
    """Whether SLURM may have the job under an id that provd does not know.

    Its own submission has no outcome yet, or the chain was told that it is in SLURM: by a daemon with another
    ledger.
    """
    return not job.slurm_id and (job.intent_at is not None or job.reported in (State.QUEUED, State.RUNNING))


def followed(jobs: Sequence[Job]) -> Watch:
    """Returns the jobs whose SLURM job id is known."""
    known = [job for job in jobs if job.slurm_id]
    return Watch(
        names=frozenset(job.name for job in known),
        slurm_ids={job.name: job.slurm_id for job in known},
        submitted={job.name: job.submitted_at for job in known if job.submitted_at},
        users=_users(known),
    )


def _users(jobs: Sequence[Job]) -> dict[str, str]:
    return {job.name: job.user for job in jobs if job.user}
