"""Why a job is on hold: nothing is submitted for it and nothing is reported about it. Typed, since metrics
and alerts depend on it."""

from enum import StrEnum


class Hold(StrEnum):
    """`TOO_EXPENSIVE`: even to refuse it costs more gas than the site allows; it stays pending on chain.

    The others concern the chain's record of the job: it says that another job has this number, there is none,
    or it cannot be read."""

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
