"""What a reconciliation asks of the ledger."""

from provider_daemon.job.lifecycle import Job
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import job_from_value


def jobs_since(ledger: Ledger, cluster_id: str, since: float) -> list[Job]:
    """The cluster's jobs that are open, or were closed at or after `since`; the oldest first."""
    return [job_from_value(row["value"]) for row in ledger._all("jobs_to_compare", cluster_id=cluster_id, since=since)]


def job_by_name(ledger: Ledger, name: str) -> Job | None:
    """Of any cluster, by its SLURM job name."""
    row = ledger._one("job_by_name", name=name)
    return job_from_value(row["value"]) if row else None


def sequences_since(ledger: Ledger, signer: str, since: float) -> list[int]:
    """The account sequences that our own transactions of that key used, ascending."""
    return [row["sequence"] for row in ledger._all("sequences_since", signer=signer, since=since)]
