"""The reasons for which a job is parked. Branches, metrics and alerts use the reason, never the detail."""

from dataclasses import dataclass
from enum import StrEnum


class ParkReason(StrEnum):
    """Stored, and a label of provd_jobs_parked. The operator's guide explains what to do about each."""

    UNKNOWN_STATE = "unknown_state"
    INVALID_SLURM_ID = "invalid_slurm_id"
    SEVERAL = "several"
    NO_TRACE = "no_trace"
    MISSING = "missing"
    NEVER_CLOSED = "never_closed"
    NO_GPU_RECORD = "no_gpu_record"
    IMPLAUSIBLE_RECORD = "implausible_record"
    DUPLICATE = "duplicate"
    UNCLAIMED = "unclaimed"
    REPORT_REFUSED = "report_refused"
    REPORT_TOO_LARGE = "report_too_large"
    OTHER = "other"  # from an older ledger, with a text that this version does not know


CHECKED_AGAIN = frozenset({ParkReason.UNKNOWN_STATE, ParkReason.IMPLAUSIBLE_RECORD})
"""Reasons that end without an operator if the next poll no longer shows them."""


@dataclass(frozen=True, slots=True)
class Parked:
    reason: ParkReason
    detail: str
