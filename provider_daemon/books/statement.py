"""A month's statement: every payment, fee and transfer of the provider's accounts, and unpaid jobs. Pure.

For each account and denomination the amounts of all entries but the closing balance sum to that balance.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from provider_daemon.ledger.books import BookedJob
from provider_daemon.money.account import Accounted, Line, Note
from provider_daemon.money.settlement import DENOM


class Kind(StrEnum):
    """What an entry is. UNPAID entries move nothing; CLOSING is the sum of the others."""

    OPENING = "opening"
    PAYMENT = "payment"
    RECEIVED = "received"
    SENT = "sent"
    FEES = "fees"
    OTHER = "other"
    CLOSING = "closing"
    UNPAID = "unpaid"


@dataclass(frozen=True, slots=True)
class Entry:
    """`amount` is what the entry adds to the account, in `denom`; fees and transfers to others are negative.

    `at` is in seconds since the epoch. `job` and `disputes` (ids) belong to payments and unpaid jobs.
    `transactions`: those whose fees the entry sums.
    """

    kind: Kind
    at: float
    account: str
    denom: str
    amount: int
    job: Accounted | None = None
    disputes: tuple[str, ...] = ()
    transactions: int = 0


@dataclass(frozen=True, slots=True)
class Total:
    """A denomination of an account. `difference` is what the entries do not explain of `closing`: 0."""

    account: str
    denom: str
    opening: int
    earned: int
    received: int
    sent: int
    fees: int
    other: int
    closing: int
    difference: int


@dataclass(frozen=True, slots=True)
class JobTotal:
    """Sums over jobs, in uvirt."""

    jobs: int = 0
    total: int = 0
    platform_fee: int = 0
    provider_reward: int = 0
    node_rewards: int = 0
    escrowed: int = 0
    refund: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """`until` is the last note, in seconds since the epoch, 0 without notes.

    `missing`: transactions of ours that could not be found, so that their fees are part of `other`.
    """

    month: str
    customer: str
    until: float
    entries: tuple[Entry, ...]
    totals: tuple[Total, ...]
    paid: JobTotal
    unpaid: JobTotal
    disputed: JobTotal
    transactions: int = 0
    missing: int = 0

    @property
    def agrees(self) -> bool:
        """Whether the entries explain the chain's balances to the coin."""
        return not any(total.difference or total.other for total in self.totals)


@dataclass(frozen=True, slots=True)
class Books:
    """What is known of a month. `before`: each account's last note before it, by address.

    `disputes`: job id -> the ids of the disputes about it.
    """

    month: str
    before: Mapping[str, Note]
    notes: Sequence[Note]
    paid: Sequence[BookedJob]
    unpaid: Sequence[BookedJob]
    disputes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def statement(books: Books, customer: str = "") -> Statement:
    """Returns the month's statement, or that of one customer's jobs, which has no balances."""
    notes = [] if customer else books.notes
    paid = [each for each in books.paid if customer in ("", each.job.customer)]
    unpaid = [each.job for each in books.unpaid if customer in ("", each.job.customer)]
    addresses = list(dict.fromkeys((*books.before, *(note.address for note in books.notes))))
    totals = [] if customer else list(_totals(addresses, books.before, notes, paid))
    entries = [
        *(
            Entry(Kind.OPENING, _start(books, each), each.account, each.denom, each.opening)
            for each in totals
        ),
        *_payments(paid, addresses, books.disputes),
        *_movements(notes),
        *(Entry(Kind.CLOSING, _until(notes), each.account, each.denom, each.closing) for each in totals),
        *(
            Entry(
                Kind.UNPAID,
                float(job.ended_at),
                job.provider,
                DENOM,
                0,
                job,
                books.disputes.get(job.job_id, ()),
            )
            for job in unpaid
        ),
    ]
    return Statement(
        month=books.month,
        customer=customer,
        until=_until(books.notes),
        entries=tuple(entries),
        totals=tuple(totals),
        paid=job_total(each.job for each in paid),
        unpaid=job_total(unpaid),
        disputed=job_total(job for job in unpaid if job.status == "disputed"),
        transactions=sum(note.transactions for note in notes),
        missing=sum(note.missing for note in notes),
    )


def job_total(jobs: Iterable[Accounted]) -> JobTotal:
    found = list(jobs)
    return JobTotal(
        len(found),
        sum(job.total for job in found),
        sum(job.platform_fee for job in found),
        sum(job.provider_reward for job in found),
        sum(amount for job in found for _, amount in job.node_rewards),
        sum(job.escrowed for job in found),
        sum(job.refund for job in found),
    )


def _until(notes: Sequence[Note]) -> float:
    return max((note.at for note in notes), default=0.0)


def _start(books: Books, total: Total) -> float:
    """Returns when the opening balance was noted."""
    before = books.before.get(total.account)
    first = before or next(note for note in books.notes if note.address == total.account)
    return first.at


def _totals(
    addresses: Sequence[str], before: Mapping[str, Note], notes: Sequence[Note], paid: Sequence[BookedJob]
) -> Iterator[Total]:
    for address in addresses:
        mine = [note for note in notes if note.address == address]
        held = [before[address]] if address in before else mine[:1]
        later = mine if address in before else mine[1:]
        for denom in sorted({name for note in (*held, *later) for name in note.lines}):
            opened = held[0].lines[denom].balance if denom in held[0].lines else 0
            lines = [note.lines[denom] for note in later if denom in note.lines]
            earned = sum(each.job.earned(address) for each in paid) if denom == DENOM else 0
            yield _total(address, denom, opened, lines, earned)


def _total(address: str, denom: str, opened: int, lines: Sequence[Line], earned: int) -> Total:
    received, sent = sum(line.received for line in lines), sum(line.sent for line in lines)
    fees, other = sum(line.fees for line in lines), sum(line.other for line in lines)
    closing = lines[-1].balance if lines else opened
    explained = opened + earned + received - sent - fees + other
    return Total(address, denom, opened, earned, received, sent, fees, other, closing, closing - explained)


def _payments(
    paid: Sequence[BookedJob], addresses: Sequence[str], disputes: Mapping[str, tuple[str, ...]]
) -> Iterator[Entry]:
    """Yields a payment for each account that a job paid to, and one of 0 for a job that paid to none."""
    for each in paid:
        job, at = each.job, each.booked_at or 0.0
        shares = [(address, amount) for address in addresses if (amount := job.earned(address))]
        for address, amount in shares or [(job.provider, 0)]:
            yield Entry(Kind.PAYMENT, at, address, DENOM, amount, job, disputes.get(job.job_id, ()))


def _movements(notes: Sequence[Note]) -> Iterator[Entry]:
    """Yields fees by day, and each note's transfers. The first note of an account has none."""
    fees: Counter[tuple[str, str, str]] = Counter()
    signed: Counter[tuple[str, str, str]] = Counter()
    last: dict[tuple[str, str, str], float] = {}
    for note in notes:
        for denom, line in note.lines.items():
            day = (note.address, denom, f"{datetime.fromtimestamp(note.at, UTC):%Y-%m-%d}")
            if line.fees:
                fees[day] += line.fees
                signed[day] += note.transactions
                last[day] = note.at
            for kind, amount in (
                (Kind.RECEIVED, line.received),
                (Kind.SENT, -line.sent),
                (Kind.OTHER, line.other),
            ):
                if amount:
                    yield Entry(kind, note.at, note.address, denom, amount)
    for day, amount in fees.items():
        address, denom, _ = day
        yield Entry(Kind.FEES, last[day], address, denom, -amount, transactions=signed[day])
