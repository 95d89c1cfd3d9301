"""The ledger queries of a reconciliation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from provider_daemon.job.job import Job
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import job_from_value, read_jobs

# The chain's dispute_resolution_period: transactions and interim usage records are kept for so long.
KEEP_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A stored report: waiting, confirmed, dropped or kept. `tx_hash` is '' if no transaction has it."""

    state: str
    status: str
    created_at: float
    tx_hash: str = ""


def save(ledger: Ledger, counts: Mapping[str, int], job_ids: Iterable[str], done: float | None) -> None:
    """Stores a comparison; `done` is None if it was incomplete. Call inside `ledger.write()`."""
    ledger.set(meta.DIFFERENCES, counts)
    ledger.set(meta.UNRESOLVED, frozenset(job_ids))
    if done is not None:
        ledger.set(meta.RECONCILED_AT, done)


def jobs_since(ledger: Ledger, cluster_id: str, since: float) -> list[Job]:
    """Returns the cluster's jobs that are open, or were closed at or after `since`; oldest first."""
    return read_jobs(ledger._all("jobs_to_compare", cluster_id=cluster_id, since=since))[0]


def job_by_name(ledger: Ledger, name: str) -> Job | None:
    """Returns the job with that SLURM job name, on any cluster."""
    row = ledger._one("job_by_name", name=name)
    return job_from_value(row["value"]) if row else None


def txs_since(ledger: Ledger, signer: str, since: float) -> tuple[frozenset[int], frozenset[str]]:
    """Returns (the sequences that the key's own transactions used, the hashes of all of them).

    Complete for the last KEEP_SECONDS only.
    """
    rows = ledger._all("txs_since", signer=signer, since=since)
    return frozenset(row["sequence"] for row in rows if row["used"]), frozenset(
        row["tx_hash"] for row in rows
    )


def reports_of(ledger: Ledger, job_id: str) -> tuple[StoredReport, ...]:
    """Returns the job's reports in the order in which they were stored."""
    rows = (row for row in ledger.messages_of(job_id) if row.kind == "report")
    return tuple(StoredReport(row.state, row.status, row.created_at, row.tx_hash) for row in rows)
