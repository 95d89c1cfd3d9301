"""Why a job is parked, as a value that branches, metrics and alerts can rely on. The text beside it is for people."""

from enum import StrEnum


class ParkReason(StrEnum):
    """IMPLAUSIBLE_RECORD: SLURM's accounting says what cannot be; unparking accepts it."""

    IMPLAUSIBLE_RECORD = "implausible_record"
