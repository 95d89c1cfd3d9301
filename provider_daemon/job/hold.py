"""Why a job is on hold: nothing is submitted for it and nothing is reported about it. Typed, since metrics and
alerts depend on it."""

from enum import StrEnum


class Hold(StrEnum):
    """`TOO_DEAR`: even to refuse it costs more gas than the site allows; it stays pending on chain.

    The others concern the chain's record of the job: it says that another job has this number, there is none, or it
    cannot be read.
    """

    TOO_DEAR = "too_dear"
    OTHER_RECORD = "other_record"
    NOT_ON_CHAIN = "not_on_chain"
    UNREADABLE = "record_unreadable"


EXPLAINED = {
    Hold.TOO_DEAR: "ignored: too dear to answer",
    Hold.OTHER_RECORD: "on hold: the chain has another job under this number",
    Hold.NOT_ON_CHAIN: "on hold: the chain has no job of this number",
    Hold.UNREADABLE: "on hold: the chain's record of it cannot be read",
}
"""hold -> the words that begin the note in `provd jobs` and on the status page"""
