"""Records the changes of a job in its timeline and in the log."""

import structlog

from provider_daemon.job.job import Job
from provider_daemon.job.transfer import Results
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger

log = structlog.get_logger("provd.advance")


def record_changes(ledger: Ledger, cluster: str, before: Job, job: Job, now: float) -> None:
    """Adds timeline entries, and logs what an operator acts on. Call inside `ledger.write()`."""
    job_id = job.spec.job_id
    for kind, old, new, detail in (
        (EventKind.DUPLICATE, before.duplicate_of, job.duplicate_of, _claims(before, job)),
        (EventKind.UNCLAIMED, before.unclaimed, job.unclaimed or before.unclaimed, _claims(before, job)),
        (EventKind.SLURM_JOB, before.slurm_id, job.slurm_id or before.slurm_id, job.slurm_id),
        (EventKind.USAGE, before.usage, job.usage, amounts(job.usage)),
        (EventKind.RESULTS, before.results, job.results, _listed(job.results)),
        (EventKind.STATE, before.state, job.state, f"{job.state} {job.message}".strip()),
        (EventKind.PARKED, before.parked, job.parked, job.parked.detail if job.parked else ""),
        (EventKind.CLOSED, before.closed_at, job.closed_at, f"state on chain: {job.reported}"),
    ):
        if old != new:
            ledger.add_event(job_id, kind, detail, now, job.state if kind is EventKind.STATE else None)
    if job.duplicate_of != before.duplicate_of:
        following = (
            "provd follows the first SLURM job, or parks the job if SLURM does not show it; find out what "
            "else submits jobs for this cluster"
        )
        log.error(
            "job_duplicate",
            job=job_id,
            cluster=cluster,
            slurm_job=before.slurm_id,
            duplicate_of=job.duplicate_of,
            next=following,
        )
    elif len(job.unclaimed) > len(before.unclaimed):
        log.warning(
            "job_unclaimed",
            job=job_id,
            cluster=cluster,
            slurm_job=before.slurm_id,
            next="nothing of the job was run; it is submitted again after the waiting window",
        )
    if job.parked and job.parked != before.parked:
        reason, why, following = (
            job.parked.reason,
            job.parked.detail,
            f"the job is not processed until `provd job unpark {job_id}`",
        )
        log.error("job_parked", job=job_id, cluster=cluster, reason=reason, why=why, next=following)
    elif job.state is not before.state:
        log.info(
            "job_state", job=job_id, cluster=cluster, slurm_job=job.slurm_id, state=job.state, why=job.message
        )


def _claims(before: Job, job: Job) -> str:
    of = (
        f", which SLURM job {job.duplicate_of or '?'} has claimed"
        if job.duplicate_of != before.duplicate_of
        else ""
    )
    return f"SLURM job {before.slurm_id} did not run the job{of}"


def _listed(results: Results | None) -> str:
    if results is None:
        return ""
    return f"{results.files} files, {results.bytes} bytes, manifest sha256:{results.root}"


def amounts(usage: Usage | None) -> str:
    """Returns the measured amounts that are not zero, as text."""
    if usage is None:
        return "none"
    named = {
        "wall s": usage.wall_clock_seconds,
        "core-s": usage.cpu_core_seconds,
        "GB-s": usage.memory_gb_seconds,
        "GPU-s": usage.gpu_seconds,
        "node-h": usage.node_hours,
        "nodes": usage.nodes_used,
        "GB-h stored": usage.storage_gb_hours,
        "bytes in": usage.network_bytes_in,
        "bytes out": usage.network_bytes_out,
    }
    return ", ".join(f"{count} {unit}" for unit, count in named.items() if count) or "nothing"
