"""Closed months: the hash, and what is named when something changed."""

import hashlib
from dataclasses import replace

from provider_daemon.books.closing import changes, close
from provider_daemon.books.statement import Books, statement
from provider_daemon.ledger.books import BookedJob
from provider_daemon.money.account import Movement, Note, Reading, following, opening
from tests.unit.books.test_account import OURS, START, paid

JOB = paid(7, 100)
UNPAID = replace(paid(8, 50), status="finalized", settled_at=0)


def month(job: BookedJob | None = None, waits: BookedJob | None = None, fees: int = 3) -> Books:
    first = opening(OURS, Reading(START, 1, 0, {"uve": 100, "uvirt": 0}))
    reading = Reading(START + 600, 2, 1, {"uve": 100 - fees, "uvirt": 100})
    notes: list[Note] = [first, following(first, reading, Movement(1, fees={"uve": fees}), [JOB])]
    return Books(
        "2026-11", {}, notes, [job or BookedJob(JOB, START + 600)], [waits or BookedJob(UNPAID, None, 1.0)]
    )


CLOSED = close(statement(month()), None, START)


def test_the_same_month_has_the_same_hash() -> None:
    """The hash is that of the stored bytes, and the time of closing is not part of it."""
    assert close(statement(month()), None, START + 9).hash == CLOSED.hash
    assert hashlib.sha256(CLOSED.document).hexdigest() == CLOSED.hash
    assert changes(CLOSED, statement(month())) == []


def test_a_closing_names_the_one_before() -> None:
    """So that a month cannot be closed otherwise later without changing every later hash."""
    later = close(statement(month()), CLOSED, START)
    assert later.hash != CLOSED.hash
    assert CLOSED.hash.encode() in later.document


def test_every_change_is_named() -> None:
    """Which entry or sum, what it was, and what it is."""
    changed = replace(JOB, provider_reward=101, total=106)
    assert changes(CLOSED, statement(month(BookedJob(changed, START + 600)))) == [
        f"{OURS} uvirt: difference was 0 and is -1",
        f"{OURS} uvirt: earned was 100 and is 101",
        "payment JOB-7 uvirt: amount was 100 and is 101",
        "payment JOB-7 uvirt: provider_reward was 100 and is 101",
        "payment JOB-7 uvirt: refund was 7 and is 6",
        "payment JOB-7 uvirt: total was 105 and is 106",
    ]
    assert f"{OURS} uve: fees was 3 and is 4" in changes(CLOSED, statement(month(fees=4)))


def test_a_job_that_is_paid_later_changes_nothing() -> None:
    """What is unpaid at the end of a month is paid in another one; a job that vanishes is named."""
    later = BookedJob(replace(UNPAID, status="settled", settled_at=9), START + 3e6)
    assert changes(CLOSED, statement(month(waits=later))) == []
    gone = replace(month(), unpaid=[])
    assert changes(CLOSED, statement(gone)) == ["unpaid JOB-8 uvirt: is missing now"]


def test_a_changed_document_is_recognised() -> None:
    """Somebody edited the ledger."""
    edited = replace(CLOSED, document=CLOSED.document.replace(b'"amount":100', b'"amount":200'))
    assert changes(edited, statement(month())) == [
        f"the stored document of 2026-11 does not have the hash {CLOSED.hash}"
    ]
