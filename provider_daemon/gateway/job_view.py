"""What a customer reads about a job: facts of the ledger, the data mover and the configuration. Pure."""

from dataclasses import asdict
from typing import Any

from provider_daemon.job.job import Job
from provider_daemon.job.state import TERMINAL
from provider_daemon.ledger.disputes import KnownDispute
from provider_daemon.money.job_bill import expected_bill
from provider_daemon.transfers.rows import JobTransfer

DAY = 86400.0


def has_ended(job: Job) -> bool:
    """Whether no more output of the job can appear."""
    over = job.reported in TERMINAL and not job.submitted
    return job.measured or job.never_ran or job.closed_at is not None or over


def summary(number: int, job: Job) -> dict[str, Any]:
    """Returns a job's row in the list."""
    return {
        "id": job.spec.job_id,
        "number": number,
        "cluster": job.spec.cluster_id,
        "state": job.state.value,
        "chain_state": job.reported.value,
        "created_at": job.spec.created_ns // 10**9,
        "ended": has_ended(job),
        "exit_code": job.exit_code if job.measured else None,
    }


def details(
    job: Job, transfer: JobTransfer | None, *, mover: str, results_days: float | None, report: str
) -> dict[str, Any]:
    """Returns everything about one job.

    `mover`: ok, unavailable, or none if the site has no data mover. `report`: the hash of the transaction
    with the final report. Reasons of the operator's are named by their codes only.
    """
    spec = job.spec
    return {
        **{key: value for key, value in summary(0, job).items() if key != "number"},
        "offering": spec.offering_id,
        "queue": spec.queue,
        "image": spec.workload.image or spec.workload.preconfigured_id,
        "command": spec.workload.command,
        "arguments": list(spec.workload.arguments),
        "resources": asdict(spec.resources),
        "max_runtime_seconds": spec.max_runtime_seconds,
        "started_at": job.chain_started_at or None,
        "closed_at": job.closed_at,
        "message": job.message,
        "waits_for": _waits_for(job),
        "usage": asdict(job.usage) if job.usage else None,
        "bill": _bill(job),
        "final_report": report or None,
        "data_mover": mover,
        "inputs": _inputs(transfer),
        "results": _results(transfer),
        "directory": directory_state(job, transfer),
        "expires_at": expires_at(job, transfer, results_days),
    }


def dispute(known: KnownDispute) -> dict[str, Any]:
    """Returns a dispute about the customer's job; times are in seconds since the epoch."""
    return {
        "id": known.dispute.dispute_id,
        "status": known.dispute.status.value,
        "type": known.dispute.kind,
        "reason": known.dispute.reason,
        "opened_at": known.dispute.created_at,
        "resolution": known.dispute.resolution,
        "answered_at": known.answered_at,
        "answer_hash": known.answer_hash or None,
    }


def directory_state(job: Job, transfer: JobTransfer | None) -> str:
    """Returns none (not made yet), there, or deleted."""
    if transfer is not None and transfer.deleted_at is not None:
        return "deleted"
    return "there" if job.directory else "none"


def expires_at(job: Job, transfer: JobTransfer | None, results_days: float | None) -> float | None:
    """Returns when the job's directory is deleted, in seconds since the epoch; None while it is not known."""
    if transfer is not None and transfer.expires_at is not None:
        return transfer.expires_at
    if job.closed_at is None or results_days is None:
        return None
    return job.closed_at + results_days * DAY


def _waits_for(job: Job) -> str:
    """Returns why nothing happens: the code of a park or hold reason; "" if the job is served normally."""
    if job.parked:
        return job.parked.reason.value
    return job.hold.value if job.hold else ""


def _bill(job: Job) -> dict[str, Any] | None:
    """Returns the bill by the offering's prices; the chain's accounting is what is paid."""
    if job.usage is None or not job.measured:
        return None
    found = expected_bill(job)
    parts = ("cpu", "memory", "gpu", "storage", "network", "node", "subtotal", "total")
    return {"denom": job.pricing.denom, **{part: getattr(found, part) for part in parts}}


def _inputs(transfer: JobTransfer | None) -> dict[str, Any] | None:
    if transfer is None:
        return None
    facts = transfer.transfer
    return {"state": facts.inputs.value, "detail": facts.detail, "bytes": facts.bytes_in}


def _results(transfer: JobTransfer | None) -> dict[str, Any] | None:
    """Returns the manifest's root and the delivery; None without a data mover's row."""
    if transfer is None:
        return None
    found = transfer.transfer.results
    return {
        "root": found.root if found else None,
        "files": found.files if found else None,
        "bytes": found.bytes if found else None,
        "detail": transfer.results_detail,
        "delivery": {"state": transfer.delivery.value, "detail": transfer.delivery_detail},
    }
