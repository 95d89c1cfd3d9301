"""Closing a month of the books, and answering a dispute."""

import base64

from pydantic import Field

from provider_daemon.audit_log.records import Action
from provider_daemon.books import closing, evidence, reader
from provider_daemon.books.months import bounds, month_of
from provider_daemon.books.render import when
from provider_daemon.books.statement import statement
from provider_daemon.control.cluster_key import cluster_key
from provider_daemon.control.operation import Body, Context, Deed, Operation
from provider_daemon.errors import Refused
from provider_daemon.ledger import books, disputes

MAX_RECORDS = 384 * 1024  # characters of the chain's records of a job


class CloseMonth(Body):
    month: str = Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")


class ClosedMonth(Body):
    """`hash`: the SHA-256 of the closing, 64 hex digits."""

    month: str
    hash: str


class AnswerDispute(Body):
    """`records`: the chain's records of the job by their names in the evidence, as JSON."""

    dispute_id: str = Field(max_length=100)
    text: str = Field(min_length=1, max_length=evidence.MAX_TEXT)
    records: dict[str, str]


class AnsweredDispute(Body):
    """`hash`: the SHA-256 of the signed manifest. `archive`: the evidence, in base64."""

    job_id: str
    hash: str
    archive: str


def _close(asked: CloseMonth, context: Context) -> ClosedMonth:
    ledger, month = context.ledger, asked.month
    noted, last = books.newest_note_at(ledger), books.last_closing(ledger)
    if noted < bounds(month)[1]:
        reached = f"only up to {when(noted)}" if noted else "nothing yet"
        raise Refused(f"{month} cannot be closed yet: the books must cover all of it, and cover {reached}")
    if books.closing(ledger, month):
        raise Refused(f"{month} is closed already; `provd statement check --month {month}` compares it")
    following = month_of(bounds(last.month)[1]) if last else month_of(books.opened_at(ledger) or noted)
    if month != following:
        raise Refused(f"months are closed in order: the next one is {following}")
    made = closing.close(statement(reader.read(ledger, month)), last, context.now)
    books.close(ledger, made)
    return ClosedMonth(month=month, hash=made.hash)


def _answer(asked: AnswerDispute, context: Context) -> AnsweredDispute:
    known = disputes.get(context.ledger, asked.dispute_id)
    if known is None:
        raise Refused(
            f"{asked.dispute_id} is not in the ledger; `provd dispute list --all` lists all disputes"
        )
    if sum(map(len, asked.records.values())) > MAX_RECORDS:
        raise Refused(
            f"the chain's records of {known.dispute.job_id} have more than {MAX_RECORDS} characters"
        )
    records = {name: text.encode() for name, text in asked.records.items()}
    signer = cluster_key(known.cluster_id, context)
    archive, digest = evidence.answer(
        context.ledger, context.config.chain.id, signer, known, records, asked.text, context.now
    )
    return AnsweredDispute(
        job_id=known.dispute.job_id, hash=digest, archive=base64.b64encode(archive).decode()
    )


CLOSE = Operation(
    "months/close",
    CloseMonth,
    ClosedMonth,
    _close,
    lambda asked, answer: [Deed(Action.MONTH_CLOSED, object=answer.month, detail=answer.hash)],
)
ANSWER = Operation(
    "disputes/answer",
    AnswerDispute,
    AnsweredDispute,
    _answer,
    lambda asked, answer: [
        Deed(Action.DISPUTE_ANSWERED, answer.job_id, asked.dispute_id, f"evidence {answer.hash}")
    ],
)
