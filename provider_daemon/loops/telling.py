"""What changed of a job, for its timeline and for the log."""

import structlog

from provider_daemon.job.lifecycle import Job
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.ledger import Ledger

log = structlog.get_logger("provd.advance")


def tell(ledger: Ledger, cluster: str, before: Job, job: Job, now: float) -> None:
    """A timeline entry for each change, and a log line for what an operator acts on. Call inside `ledger.write()`."""
    job_id = job.spec.job_id
    for what, old, new in (
        ("slurm_job", before.slurm_id, job.slurm_id),
        ("usage", before.usage, job.usage),
        ("state", before.state, job.state),
        ("parked", before.parked, job.parked),
        ("closed", before.closed_at, job.closed_at),
    ):
        if old != new:
            detail = {"state": f"{new} {job.message}".strip(), "usage": amounts(job.usage), "closed": f"the chain says {job.reported}"}
            detail["parked"] = job.parked.detail if job.parked else ""
            ledger.add_event(job_id, what, detail.get(what, str(new)), now)
    if job.parked and job.parked != before.parked:
        reason, why, following = job.parked.reason, job.parked.detail, "nothing is done about it until it is unparked"
        log.error("job_parked", job=job_id, cluster=cluster, reason=reason, why=why, next=following)
    elif job.state is not before.state:
        log.info("job_state", job=job_id, cluster=cluster, slurm_job=job.slurm_id, state=job.state, why=job.message)


def amounts(usage: Usage | None) -> str:
    """The measured numbers, without those that are zero."""
    if usage is None:
        return "none"
    named = {
        "wall s": usage.wall_clock_seconds,
        "core-s": usage.cpu_core_seconds,
        "GB-s": usage.memory_gb_seconds,
        "GPU-s": usage.gpu_seconds,
        "node-h": usage.node_hours,
        "nodes": usage.nodes_used,
    }
    return ", ".join(f"{count} {unit}" for unit, count in named.items() if count) or "nothing"
