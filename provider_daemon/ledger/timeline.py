"""A job's timeline, read from the ledger in chronological order."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from provider_daemon.job.job import Job
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import TimelineEntry


def timeline(ledger: Ledger, job: Job, kept_as: str = "") -> list[TimelineEntry]:
    """Returns the timeline from the customer's transaction to the last report's block.

    `kept_as`: the id under which a dropped job is kept. Times are those of this host's clock; the time of
    `created` is the chain's.
    """
    job_id = kept_as or job.spec.job_id
    return sorted(
        [_created(job), *ledger.events_of(job_id), *_sendings(ledger, job_id)], key=lambda entry: entry.at
    )


def _created(job: Job) -> TimelineEntry:
    spec, asked = job.spec, job.spec.resources
    size = (
        f"nodes: {asked.nodes}, cores per node: {asked.cpus_per_node}, at most {spec.max_runtime_seconds} s"
    )
    return TimelineEntry(
        spec.created_ns / 1e9, EventKind.CREATED, f"by {spec.customer} for {spec.offering_id}: {size}"
    )


def _sendings(ledger: Ledger, job_id: str) -> Iterator[TimelineEntry]:
    """Returns each report with its transaction and the digest of the bytes that were signed."""
    for row in ledger.messages_of(job_id):
        if row.tx_hash:
            digest = hashlib.sha256(row.body).hexdigest()[:16]
            where = (
                f"tx={row.tx_hash} sequence={row.sequence} timeout_height={row.timeout_height} fee={row.fee}"
            )
            yield TimelineEntry(
                row.tx_created_at,
                EventKind.TX_SIGNED,
                f"{row.state} message={digest} {where}: {row.tx_status}",
            )


@dataclass(frozen=True, slots=True)
class Unsent:
    """A report that is in no transaction. `note` may hold the chain's text."""

    at: float
    state: str
    status: str
    note: str


def unsent(ledger: Ledger, job_id: str) -> list[Unsent]:
    """Returns the unsent reports in the order in which they were stored."""
    rows = (row for row in ledger.messages_of(job_id) if not row.tx_hash)
    return [Unsent(row.created_at, row.state, row.status, row.note) for row in rows]


def when(seconds: float) -> str:
    """Formats a time in UTC, to the second."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
