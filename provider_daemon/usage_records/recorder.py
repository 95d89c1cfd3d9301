"""Writes usage records of running jobs at each poll of the advance loop, and at a job's end."""

import math
from collections.abc import Mapping, Sequence

from provider_daemon.chain.keys import Signer
from provider_daemon.job.job import Job
from provider_daemon.job.plausibility import implausible
from provider_daemon.job.snapshot import Phase, Sighting, Snapshot
from provider_daemon.job.usage import GpuUnaccounted, Usage, measure
from provider_daemon.job.usage_record import INTERIM_SECONDS, SignedSnapshot, SnapshotType
from provider_daemon.ledger import usage_records
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Clock
from provider_daemon.usage_records import document
from provider_daemon.usage_records.document import Taken

# interim records per commit, so that a backlog does not hold up the loop: at 5 s per tick, 6,000 jobs are
# recorded in time
A_TICK = 100


class Interim:
    """Writes usage records of one cluster's running jobs every INTERIM_SECONDS, from the loop's own polls."""

    def __init__(self, ledger: Ledger, signer: Signer, clock: Clock) -> None:
        self._ledger = ledger
        self._signer = signer
        self._clock = clock
        self._last: dict[str, float] = {}

    def take(self, jobs: Sequence[Job], look: Snapshot) -> None:
        """Writes the records that are due. `jobs`: the cluster's open jobs."""
        now = self._clock.now()
        self._last = {
            job.spec.job_id: self._last[job.spec.job_id] for job in jobs if job.spec.job_id in self._last
        }
        due = [(job, seen) for job in jobs if (seen := _running(job, look)) and self._due(job, now)][:A_TICK]
        if not due:
            return
        with self._ledger.write():
            for job, seen in due:
                if (used := so_far(job, seen)) is not None:
                    take(self._ledger, job, SnapshotType.INTERIM, used, self._signer, now)
        self._last |= {job.spec.job_id: now for job, _ in due}

    def _due(self, job: Job, now: float) -> bool:
        """Returns whether a record is due. The ledger is read once per job after a start."""
        job_id = job.spec.job_id
        if job_id not in self._last:
            known = usage_records.newest(self._ledger, job_id)
            self._last[job_id] = known.taken_at if known else 0.0
        return now - self._last[job_id] >= INTERIM_SECONDS


def _running(job: Job, look: Snapshot) -> Sighting | None:
    """Returns the job's running SLURM job, once it has run long enough for a first usage record."""
    seen = next((seen for seen in look.of(job.name) if seen.slurm_id == job.slurm_id), None)
    return (
        seen
        if seen and seen.phase is Phase.RUNNING and seen.elapsed >= INTERIM_SECONDS and not job.measured
        else None
    )


def so_far(job: Job, seen: Sighting) -> Usage | None:
    """Returns the usage so far; None if SLURM's record lacks the allocation or GPUs, or is implausible."""
    if implausible(seen.runs, job.spec.resources, job.wall_seconds, math.inf):
        return None
    try:
        return measure(seen.runs, job.gpus_owed) if seen.runs else None
    except GpuUnaccounted:
        return None


def take(
    ledger: Ledger,
    job: Job,
    kind: SnapshotType,
    cumulative: Usage,
    signer: Signer,
    now: float,
    outcome: str = "",
    differences: tuple[Mapping[str, str | int], ...] = (),
) -> SignedSnapshot:
    """Signs the job's next usage record and stores it. Call inside `ledger.write()`."""
    said = Taken(
        chain_id=job.spec.chain_id,
        cluster_id=job.spec.cluster_id,
        job_id=job.spec.job_id,
        slurm_job_id=job.slurm_id,
        type=kind,
        taken_at=int(now),
        cumulative=cumulative,
        outcome=outcome,
        differences=differences,
    )
    signed = document.sign(said, usage_records.newest(ledger, job.spec.job_id), signer)
    usage_records.add(ledger, signed)
    return signed


def take_disputed(ledger: Ledger, job: Job, signer: Signer, now: float) -> SignedSnapshot:
    """Signs the last known usage of a disputed job. Call inside `ledger.write()`."""
    return take(ledger, job, SnapshotType.DISPUTE, last_known(ledger, job), signer, now)


def last_known(ledger: Ledger, job: Job) -> Usage:
    """Returns the job's final usage, or else its newest recorded usage."""
    newest = usage_records.newest(ledger, job.spec.job_id)
    return job.usage or (document.cumulative(newest) if newest else Usage())
