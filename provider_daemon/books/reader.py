"""Reads a month's books from the ledger, and, for a month that is not over, one step to the present."""

from collections import defaultdict

from provider_daemon.books.keeper import Step
from provider_daemon.books.months import bounds
from provider_daemon.books.statement import Books
from provider_daemon.ledger import books, disputes
from provider_daemon.ledger.books import BookedJob
from provider_daemon.ledger.ledger import Ledger

ALL = 2**31  # disputes


def read(ledger: Ledger, month: str, step: Step | None = None) -> Books:
    """Returns the books of the month. `step`: the present, which the ledger does not have yet."""
    start, end = bounds(month)
    notes = books.notes(ledger, start, end)
    paid = books.paid(ledger, start, end)
    unpaid = books.unpaid_at(ledger, end)
    if step is not None:
        fresh = {booked.job.job_id: booked for booked in step.jobs}
        notes += [note for note in step.notes if start <= note.at < end]
        paid += [booked for booked in step.jobs if _within(booked.booked_at, start, end)]
        unpaid = [
            *(fresh.get(each.job.job_id, each) for each in unpaid),
            *(booked for booked in _added(step, unpaid) if booked.next_at is not None),
        ]
        unpaid = [
            each for each in unpaid if not _within(each.booked_at, 0.0, end) and each.job.ended_at < end
        ]
    addresses = {note.address for note in notes}
    before = {address: note for address in addresses if (note := books.last_note(ledger, address, start))}
    return Books(month, before, notes, paid, unpaid, _disputes(ledger))


def _added(step: Step, unpaid: list[BookedJob]) -> list[BookedJob]:
    known = {each.job.job_id for each in unpaid}
    return [booked for booked in step.jobs if booked.job.job_id not in known]


def _within(at: float | None, start: float, end: float) -> bool:
    return at is not None and start <= at < end


def _disputes(ledger: Ledger) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for known in disputes.newest(ledger, ALL)[::-1]:
        found[known.dispute.job_id] += (known.dispute.dispute_id,)
    return dict(found)
