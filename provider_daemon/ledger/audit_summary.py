"""What the ledger keeps of the newest `provd site audit` of a cluster."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class AuditSummary:
    """`at`: seconds since the epoch. `slurm_version` and `configuration`: those that were audited.

    `configuration` and `sha256`, the hash of the audit's document, are 64 hex digits. The others are numbers
    of rows.
    """

    sha256: str
    at: float
    slurm_version: str
    configuration: str
    closed: int
    open: int
    not_tried: int


def load(text: str) -> AuditSummary | None:
    """Returns None if there was no audit, or a newer provd wrote the summary in another form."""
    try:
        return AuditSummary(**json.loads(text)) if text else None
    except (TypeError, ValueError):
        return None


def dump(summary: AuditSummary | None) -> str:
    return json.dumps(asdict(summary)) if summary else ""
