"""The books in the ledger: paid and unpaid jobs, notes of balances, closed months.

Functions that write run inside `with ledger.write():`.
"""

import json
import math
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import TypeAdapter

from provider_daemon.ledger.ledger import Ledger
from provider_daemon.money.account import Accounted, Note

_ACCOUNTED, _NOTE = TypeAdapter(Accounted), TypeAdapter(Note)


@dataclass(frozen=True, slots=True)
class BookedJob:
    """An ended job. `booked_at`: when its payment entered the books; `next_at`: when it is read again.

    Both are in seconds since the epoch. A job that was paid before the books were opened has neither.
    """

    job: Accounted
    booked_at: float | None = None
    next_at: float | None = None


@dataclass(frozen=True, slots=True)
class Unpaid:
    """The jobs of a cluster that the chain has billed and not paid; `total` is in uvirt."""

    cluster_id: str
    disputed: bool
    jobs: int
    total: int


@dataclass(frozen=True, slots=True)
class Closing:
    """A closed month, such as 2026-11. `hash` is the SHA-256 of `document`, 64 hex digits."""

    month: str
    closed_at: float
    hash: str
    document: bytes


# --- jobs ---


def save(ledger: Ledger, booked: BookedJob) -> None:
    job = booked.job
    ledger._run(
        "save_accounted",
        job_id=job.job_id,
        cluster_id=job.cluster_id,
        status=job.status,
        total=min(job.total, 2**63 - 1),
        ended_at=float(job.ended_at),
        booked_at=booked.booked_at,
        next_at=booked.next_at,
        value=_ACCOUNTED.dump_json(job).decode(),
    )


def of(ledger: Ledger, job_ids: Iterable[str]) -> dict[str, BookedJob]:
    """Returns those of the jobs that are in the books, by id."""
    rows = ledger._all("accounted_jobs", job_ids=json.dumps(list(job_ids)))
    return {booked.job.job_id: booked for booked in map(_booked, rows)}


def unread(ledger: Ledger, cluster_id: str, since: float, count: int) -> list[tuple[str, float]]:
    """Returns (id, when it was closed) of jobs closed since then that are not in the books, oldest first."""
    rows = ledger._all("ended_unaccounted", cluster_id=cluster_id, since=since, count=count)
    return [(row["job_id"], row["closed_at"]) for row in rows]


def open_jobs(ledger: Ledger, *, ending: bool) -> list[str]:
    """Returns the ids of the open jobs of all clusters; `ending`: only of those known to have ended."""
    return [row["job_id"] for row in ledger._all("open_ids_everywhere", ending=int(ending))]


def due(ledger: Ledger, now: float, count: int) -> list[str]:
    """Returns the ids of unpaid jobs that are read again by `now`; math.inf for all of them."""
    return [row["job_id"] for row in ledger._all("accounted_due", now=now, count=count)]


def paid(ledger: Ledger, start: float, end: float) -> list[BookedJob]:
    """Returns the jobs whose payment entered the books in that time, in order."""
    return [_booked(row) for row in ledger._all("paid_between", start=start, end=end)]


def unpaid_at(ledger: Ledger, end: float) -> list[BookedJob]:
    """Returns the jobs that had ended before `end` and were not paid then."""
    return [_booked(row) for row in ledger._all("unpaid_at", end=end)]


def unpaid(ledger: Ledger) -> list[Unpaid]:
    rows = ledger._all("unpaid_sums")
    return [Unpaid(row["cluster_id"], bool(row["disputed"]), row["jobs"], row["total"]) for row in rows]


# --- accounts ---


def add_note(ledger: Ledger, note: Note) -> None:
    ledger._run("add_note", address=note.address, at=note.at, value=_NOTE.dump_json(note).decode())


def last_note(ledger: Ledger, address: str, before: float = math.inf) -> Note | None:
    """Returns the account's last note before that time."""
    row = ledger._one("last_note", address=address, before=before)
    return _NOTE.validate_json(row["value"]) if row else None


def notes(ledger: Ledger, start: float, end: float) -> list[Note]:
    """Returns the notes of all accounts in that time, in order."""
    return [_NOTE.validate_json(row["value"]) for row in ledger._all("notes_between", start=start, end=end)]


def addresses(ledger: Ledger) -> list[str]:
    """Returns the accounts that the books are kept of."""
    return [row["address"] for row in ledger._all("noted_addresses")]


def newest_note_at(ledger: Ledger) -> float:
    """Returns when the last note was made; 0 before the first."""
    (row,) = ledger._all("newest_note")
    return float(row["at"] or 0)


def opened_at(ledger: Ledger) -> float | None:
    """Returns when the books were opened; None before their first note."""
    (row,) = ledger._all("first_note")
    return float(row["at"]) if row["at"] is not None else None


def transactions(ledger: Ledger, signer: str, first: int, end: int) -> dict[int, tuple[bytes, int]]:
    """Returns sequence -> (signed bytes, code) of the key's transactions in blocks, from `first` to `end`.

    One that failed before any message used no sequence and paid nothing: it used no gas. The bytes of old
    transactions are empty.
    """
    rows = ledger._all("txs_of_sequences", signer=signer, first=first, end=end)
    return {
        row["sequence"]: (bytes(row["tx_bytes"]), row["code"])
        for row in rows
        if row["code"] == 0 or row["gas_used"]
    }


# --- months ---


def close(ledger: Ledger, closing: Closing) -> None:
    ledger._run(
        "add_closing",
        month=closing.month,
        closed_at=closing.closed_at,
        hash=closing.hash,
        document=closing.document,
    )


def closing(ledger: Ledger, month: str) -> Closing | None:
    row = ledger._one("closing_of", month=month)
    return _closing(row) if row else None


def last_closing(ledger: Ledger) -> Closing | None:
    row = ledger._one("last_closing")
    return _closing(row) if row else None


def _booked(row: sqlite3.Row) -> BookedJob:
    return BookedJob(_ACCOUNTED.validate_json(row["value"]), row["booked_at"], row["next_at"])


def _closing(row: sqlite3.Row) -> Closing:
    return Closing(row["month"], row["closed_at"], row["hash"], bytes(row["document"]))
