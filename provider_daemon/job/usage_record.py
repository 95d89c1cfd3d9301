"""Usage records of a job over time: signed, numbered, each with the hash of the one before.

See docs/reference.md, 'Usage records and reconciliation'.
"""

from dataclasses import dataclass, fields
from enum import StrEnum

from provider_daemon.job.usage import Usage

INTERIM_SECONDS = 300  # between two records of a running job


class SnapshotType(StrEnum):
    """Why a usage record was written.

    INTERIM: the job runs. FINAL: SLURM's record is final. RECONCILIATION: a comparison found a difference.
    DISPUTE: the usage is disputed.
    """

    INTERIM = "interim"
    FINAL = "final"
    RECONCILIATION = "reconciliation"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True)
class SignedSnapshot:
    """A stored usage record: `document` as signed, byte for byte, and `content_hash`, its SHA-256 in hex.

    `taken_at` is in seconds since the epoch; `sequence` counts from 0; `previous` is the content hash of the
    job's usage record before it, empty for the first.
    """

    job_id: str
    sequence: int
    type: SnapshotType
    taken_at: int
    document: bytes
    content_hash: str
    previous: str
    signature: str


def interval(cumulative: Usage, before: Usage) -> Usage:
    """Returns the usage since the record before; all of it if a requeue restarted the count at 0."""
    changes = {
        item.name: getattr(cumulative, item.name) - getattr(before, item.name)
        for item in fields(Usage)
        if item.type is int
    }
    if any(change < 0 for name, change in changes.items() if name != "nodes_used"):
        return cumulative
    return Usage(**{**changes, "nodes_used": cumulative.nodes_used})
