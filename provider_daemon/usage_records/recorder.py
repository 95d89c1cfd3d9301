"""Usage snapshots: taken of running jobs while the advance loop looks at SLURM anyway, and at a job's end."""

import math
from collections.abc import Mapping, Sequence

from provider_daemon.chain.keys import Signer
from provider_daemon.job.lifecycle import Job
from provider_daemon.job.plausibility import implausible
from provider_daemon.job.snapshot import Phase, Sighting, Snapshot
from provider_daemon.job.usage import GpuUnaccounted, Usage, measure
from provider_daemon.job.usage_record import INTERIM_SECONDS, SignedSnapshot, SnapshotType
from provider_daemon.ledger import usage_records
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Clock
from provider_daemon.usage_records import document
from provider_daemon.usage_records.document import Taken

# interim snapshots in one commit: a backlog of them never holds up the loop; at 5 s a tick 6,000 jobs have
# their turn
A_TICK = 100


class Interim:
    """Of one cluster's running jobs, every INTERIM_SECONDS, from a look that was taken anyway."""

    def __init__(self, ledger: Ledger, signer: Signer, clock: Clock) -> None:
        self._ledger = ledger
        self._signer = signer
        self._clock = clock
        self._last: dict[str, float] = {}

    def take(self, jobs: Sequence[Job], look: Snapshot) -> None:
        """`jobs`: the cluster's open ones."""
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
        """The ledger is asked once a job after a start, not at each look."""
        job_id = job.spec.job_id
        if job_id not in self._last:
            known = usage_records.newest(self._ledger, job_id)
            self._last[job_id] = known.taken_at if known else 0.0
        return now - self._last[job_id] >= INTERIM_SECONDS


def _running(job: Job, look: Snapshot) -> Sighting | None:
    """The job's own SLURM job, once it has run for long enough to have a first snapshot."""
    seen = next((seen for seen in look.of(job.name) if seen.slurm_id == job.slurm_id), None)
    return (
        seen
        if seen and seen.phase is Phase.RUNNING and seen.elapsed >= INTERIM_SECONDS and not job.measured
        else None
    )


def so_far(job: Job, seen: Sighting) -> Usage | None:
    """By the same integers as at the end; None where SLURM does not say what the job was given, not which
    GPUs, or what cannot be."""
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
    """Signs the job's next snapshot and keeps it. Call inside `ledger.write()`."""
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
    """What we hold of a job when somebody disputes it. Call inside `ledger.write()`."""
    return take(ledger, job, SnapshotType.DISPUTE, last_known(ledger, job), signer, now)


def last_known(ledger: Ledger, job: Job) -> Usage:
    """Its final usage, or as far as it was followed."""
    newest = usage_records.newest(ledger, job.spec.job_id)
    return job.usage or (document.cumulative(newest) if newest else Usage())
