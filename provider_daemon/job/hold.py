"""The reasons for which a job on hold is neither submitted nor reported. Metrics and alerts use them."""

from enum import StrEnum


class Hold(StrEnum):
    """Why a job is on hold.

    `TOO_EXPENSIVE`: refusing the job costs more gas than the site allows; it stays pending on chain. For the
    others, the chain's record belongs to another job, is absent, or cannot be read.
    """

    TOO_EXPENSIVE = "too_expensive"
    OTHER_RECORD = "other_record"
    NOT_ON_CHAIN = "not_on_chain"
    UNREADABLE = "record_unreadable"


EXPLAINED = {
    Hold.TOO_EXPENSIVE: "ignored: its reports cost more gas than allowed",
    Hold.OTHER_RECORD: "on hold: the chain has another job with this id",
    Hold.NOT_ON_CHAIN: "on hold: the job is not on chain",
    Hold.UNREADABLE: "on hold: the job's record on chain cannot be read",
}
"""hold -> beginning of the note in `provd jobs` and on the status page"""
