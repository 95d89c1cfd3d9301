"""Disputes about our jobs in the ledger. Functions that write run inside `with ledger.write():`."""

import sqlite3
from dataclasses import dataclass

from pydantic import TypeAdapter

from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Dispute

_DISPUTE = TypeAdapter(Dispute)


@dataclass(frozen=True, slots=True)
class KnownDispute:
    """A dispute and our answer. `answered_at` is in seconds since the epoch, None without an answer.

    `answer_hash` is the SHA-256 of the signed manifest, "" without an answer.
    """

    dispute: Dispute
    cluster_id: str
    answered_at: float | None = None
    answer_hash: str = ""

    @property
    def answered(self) -> bool:
        return self.answered_at is not None


@dataclass(frozen=True, slots=True)
class OpenDisputes:
    """The number of open disputes of a cluster."""

    cluster_id: str
    answered: bool
    disputes: int


def save(ledger: Ledger, dispute: Dispute, cluster_id: str) -> None:
    """Adds a dispute, or changes its record and keeps its answer."""
    ledger._run(
        "save_dispute",
        dispute_id=dispute.dispute_id,
        job_id=dispute.job_id,
        cluster_id=cluster_id,
        open=int(dispute.open),
        opened_at=float(dispute.created_at),
        value=_DISPUTE.dump_json(dispute).decode(),
    )


def answer(ledger: Ledger, dispute_id: str, bundle: bytes, answer_hash: str, now: float) -> None:
    ledger._run(
        "answer_dispute", dispute_id=dispute_id, answer=bundle, answer_hash=answer_hash, answered_at=now
    )


def get(ledger: Ledger, dispute_id: str) -> KnownDispute | None:
    row = ledger._one("get_dispute", dispute_id=dispute_id)
    return known(row) if row else None


def bundle(ledger: Ledger, dispute_id: str) -> bytes | None:
    """Returns the evidence of our answer, or None if there is no answer."""
    row = ledger._one("dispute_answer", dispute_id=dispute_id)
    return bytes(row["answer"]) if row else None


def of_job(ledger: Ledger, job_id: str) -> list[KnownDispute]:
    """Returns the disputes about a job, oldest first."""
    return [known(row) for row in ledger._all("disputes_of_job", job_id=job_id)]


def still_open(ledger: Ledger) -> list[KnownDispute]:
    """Returns the disputes that are not decided, oldest first."""
    return [known(row) for row in ledger._all("open_disputes")]


def newest(ledger: Ledger, count: int) -> list[KnownDispute]:
    return [known(row) for row in ledger._all("newest_disputes", count=count)]


def count_open(ledger: Ledger) -> list[OpenDisputes]:
    rows = ledger._all("count_open_disputes")
    return [OpenDisputes(row["cluster_id"], bool(row["answered"]), row["disputes"]) for row in rows]


def known(row: sqlite3.Row) -> KnownDispute:
    """Returns the dispute of a row with its record and our answer."""
    return KnownDispute(
        _DISPUTE.validate_json(row["value"]), row["cluster_id"], row["answered_at"], row["answer_hash"]
    )
