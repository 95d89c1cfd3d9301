"""Snapshots of a job's usage over time: signed, numbered, each naming the one before.

See docs/reference.md, 'Usage records and reconciliation'.
"""

from dataclasses import dataclass, fields
from enum import StrEnum

from provider_daemon.job.usage import Usage

INTERIM_SECONDS = 300  # of a running job, between two


class SnapshotType(StrEnum):
    """INTERIM while it runs, FINAL with SLURM's last word, RECONCILIATION where a comparison found something,
    DISPUTE on a dispute."""

    INTERIM = "interim"
    FINAL = "final"
    RECONCILIATION = "reconciliation"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True)
class SignedSnapshot:
    """A snapshot as it is kept. `document` is what was signed, byte for byte; `content_hash` its SHA-256 in
    hex; `taken_at` in seconds since the epoch; `sequence` counts from 0; `previous` is the content hash of
    the job's snapshot before it, empty for the first."""

    job_id: str
    sequence: int
    type: SnapshotType
    taken_at: int
    document: bytes
    content_hash: str
    previous: str
    signature: str


def interval(cumulative: Usage, before: Usage) -> Usage:
    """What was used since the snapshot before. After a requeue the count of a running job begins anew: then
    all of it is new."""
    changes = {
        item.name: getattr(cumulative, item.name) - getattr(before, item.name)
        for item in fields(Usage)
        if item.type is int
    }
    if any(change < 0 for name, change in changes.items() if name != "nodes_used"):
        return cumulative
    return Usage(**{**changes, "nodes_used": cumulative.nodes_used})
