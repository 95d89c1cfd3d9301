"""Why a job is parked: the reason is what branches, metrics and alerts go by, the detail is for people
alone."""

from dataclasses import dataclass
from enum import StrEnum


class ParkReason(StrEnum):
    """Values are stored, and are labels of provd_jobs_parked; the operator's guide says what to do about
    each."""

    UNKNOWN_STATE = "unknown_state"
    INVALID_SLURM_ID = "invalid_slurm_id"
    SEVERAL = "several"
    NO_TRACE = "no_trace"
    MISSING = "missing"
    NEVER_CLOSED = "never_closed"
    NO_GPU_RECORD = "no_gpu_record"
    IMPLAUSIBLE_RECORD = "implausible_record"
    REPORT_REFUSED = "report_refused"
    REPORT_TOO_LARGE = "report_too_large"
    OTHER = "other"  # of an older ledger, whose text is none that this version knows


CHECKED_AGAIN = frozenset({ParkReason.UNKNOWN_STATE, ParkReason.IMPLAUSIBLE_RECORD})
"""Parked for what SLURM reports, which may be right at the next poll."""


@dataclass(frozen=True, slots=True)
class Parked:
    reason: ParkReason
    detail: str
