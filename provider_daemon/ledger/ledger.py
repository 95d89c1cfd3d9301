"""The ledger: one SQLite file, the only durable state.

The loops call it directly, because a commit takes less than a millisecond. Every method either reads or runs
inside `with ledger.write():`, which commits once at its end or not at all.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from provider_daemon.errors import LedgerError
from provider_daemon.job.job import Job
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.slurm_id import LARGEST
from provider_daemon.job.state import State
from provider_daemon.ledger.database import Database
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.rows import (
    Message,
    OpenTx,
    StoredMessage,
    StoredTx,
    TimelineEntry,
    Waiting,
    job_from_value,
    job_to_row,
    read_jobs,
)
from provider_daemon.text import cut

MAX_DETAIL = 2_000  # bytes kept of an event, a note or a reason: they repeat text from outside
TXS_AT_ONCE = 1000  # deleted in one commit, which takes 0.1 s; a key makes 15,000 a day at most


class Ledger(Database):
    """The daemon's jobs, messages and transactions."""

    def __init__(self, connection: sqlite3.Connection, lock: int | None) -> None:
        super().__init__(connection, lock)
        # cluster id -> job id -> why its row could not be read at the last open_jobs
        self.unreadable: dict[str, dict[str, str]] = {}

    # --- jobs ---

    def save_job(self, job: Job) -> None:
        self._run("save_job", **job_to_row(job))

    def job(self, job_id: str) -> Job | None:
        """Returns the job; None also if its row cannot be read, so that other jobs continue."""
        return next(iter(read_jobs(self._all("get_job", job_id=job_id))[0]), None)

    def witnesses(self, count: int) -> list[Job]:
        """Returns the `count` oldest and the `count` newest jobs."""
        return read_jobs(self._all("witnesses", count=count))[0]

    def on_hold(self) -> list[str]:
        """Returns the ids of jobs, open or closed, on hold because of their record on chain."""
        return [row["job_id"] for row in self._all("on_hold")]

    def drop_job(self, job_id: str, reason: str, now: float) -> str:
        """Frees the number for another job, and returns the id under which the old job is kept.

        The old job's events, reports and usage records are kept under that id too. Intake reads the number
        again at its next sweep.
        """
        self.drop_unsent_reports(job_id, reason)
        self._run("drop_job", job_id=job_id, reason=cut(reason, MAX_DETAIL), at=now)
        self._run("delete_job", job_id=job_id)
        kept_as: str = self._all("dropped_as", job_id=job_id)[0]["kept_as"]
        for query in ("rename_events", "rename_messages", "rename_snapshots", "rename_disputes"):
            self._run(query, job_id=job_id, kept_as=kept_as)
        self.quarantine(job_id, f"{kept_as} was dropped: the number is read again", now)
        return kept_as

    def dropped_job(self, kept_as: str) -> Job | None:
        row = self._one("dropped_job", kept_as=kept_as)
        return job_from_value(row["value"]) if row else None

    def open_jobs(self, cluster_id: str) -> list[Job]:
        """Returns the open jobs. `unreadable` names those whose rows cannot be read."""
        jobs, self.unreadable[cluster_id] = read_jobs(self._all("open_jobs", cluster_id=cluster_id))
        return jobs

    def jobs_with_invalid_id(self, cluster_id: str) -> list[Job]:
        """Returns the open jobs with an invalid SLURM id, as parked jobs without the id."""
        return read_jobs(self._all("invalid_slurm_ids", cluster_id=cluster_id, largest=LARGEST))[0]

    def open_ids(self, cluster_id: str) -> list[str]:
        """Returns the ids of the open jobs without loading them: loading ten thousand jobs takes 0.5 s."""
        return [row["job_id"] for row in self._all("open_ids", cluster_id=cluster_id)]

    def overdue(self, chain_time: float) -> frozenset[str]:
        """Returns open jobs that the chain times out, without an event, by `chain_time` (epoch seconds)."""
        return frozenset(row["job_id"] for row in self._all("overdue", chain_time=chain_time))

    def unpark(self, job_id: str, *, forgo_gpus: bool = False) -> None:
        """Raises LedgerError for a job that is not parked."""
        job = self.job(job_id)
        if job is None or not job.parked:
            raise LedgerError(f"{job_id} is not parked")
        accepted = job.record_accepted or job.parked.reason is ParkReason.IMPLAUSIBLE_RECORD
        forgone = forgo_gpus or job.gpus_forgone
        job = replace(job, parked=None, missing_since=None, attempt=0, unclaimed=())
        self.save_job(replace(job, gpus_forgone=forgone, record_accepted=accepted))

    def quarantine(self, job_id: str, why: str, now: float) -> None:
        self._run("quarantine", job_id=job_id, why=cut(why, MAX_DETAIL), at=now)

    def release_quarantine(self, job_id: str) -> None:
        self._run("release_quarantine", job_id=job_id)

    def quarantined(self) -> list[str]:
        return [row["job_id"] for row in self._all("quarantined")]

    # --- messages ---

    def add_message(
        self, signer: str, message: Message, now: float, *, kept: bool = False, note: str = ""
    ) -> None:
        """Adds a message. A `kept` one is evidence that the chain accepts no report for, and never sent."""
        status = "kept" if kept else "waiting"
        self._run(
            "add_message",
            signer=signer,
            kind=message.kind,
            subject=message.subject,
            state=message.state,
            body=message.body,
            created_at=now,
            status=status,
            note=cut(note, MAX_DETAIL),
        )

    def replace_message(self, signer: str, message: Message, now: float) -> None:
        """Adds a message (a heartbeat, for example) that replaces an older waiting one."""
        self._run("replace_waiting", signer=signer, kind=message.kind, subject=message.subject)
        self.add_message(signer, message, now)

    def waiting_messages(self, signer: str) -> list[Message]:
        """Returns the waiting messages: reports first, oldest first."""
        return [_message(row) for row in self._all("waiting_messages", signer=signer)]

    def last_heartbeats(self, signer: str, since: float) -> dict[str, Message]:
        """Returns each node's newest heartbeat that is in a block, or in the open transaction, by node id."""
        rows = self._all("last_heartbeats", signer=signer, since=since)
        return {row["subject"]: _message(row) for row in rows}

    def all_wait(self, messages: Sequence[Message]) -> bool:
        """Returns whether all messages still wait unchanged: other loops replace and drop messages."""
        return all(
            (row := self._one("waiting_message", id=message.id)) and _message(row) == message
            for message in messages
        )

    def count_waiting(self) -> list[Waiting]:
        return [Waiting(**dict(row)) for row in self._all("count_waiting")]

    def messages_of_tx(self, tx_id: int) -> list[Message]:
        """Returns the messages in the transaction's order."""
        return [_message(row) for row in self._all("messages_of_tx", tx_id=tx_id)]

    def drop_message(self, message_id: int, note: str) -> None:
        self._run("drop_message", id=message_id, note=cut(note, MAX_DETAIL))

    def drop_reports(self, job_id: str, note: str) -> None:
        """Drops every waiting report of the job, whose record on chain has changed otherwise."""
        self._run("drop_reports", subject=job_id, note=cut(note, MAX_DETAIL))

    def drop_unsent_reports(self, job_id: str, note: str) -> None:
        """Drops the job's reports that are in no transaction. The outcome of the others is unknown."""
        self._run("drop_unsent_reports", subject=job_id, note=cut(note, MAX_DETAIL))

    def last_sent(self, job_id: str) -> State | None:
        """Returns the state of the job's last report in the open transaction, or None."""
        row = self._one("last_sent", subject=job_id)
        return State(row["state"]) if row else None

    def has_last_report(self, job_id: str) -> bool:
        """Returns whether the job's signed usage waits, was reported, or is kept."""
        return self._one("last_report", subject=job_id) is not None

    def keep_last_report(self, job_id: str, note: str) -> None:
        """Keeps the waiting final report of a job that the chain ended otherwise, as evidence only.

        The report holds the signed usage. It is never sent.
        """
        self._run("keep_last_report", subject=job_id, note=cut(note, MAX_DETAIL))

    def messages_of(self, subject: str) -> list[StoredMessage]:
        return [StoredMessage(**dict(row)) for row in self._all("messages_of_subject", subject=subject)]

    def prune_messages(self, before: float) -> None:
        """Deletes old heartbeats. Reports stay."""
        self._run("prune_messages", before=before)

    # --- transactions ---

    def add_tx(self, tx: OpenTx, messages: Sequence[Message]) -> OpenTx:
        """Stores an open transaction and its messages. Raises LedgerError if the key has an open one.

        A transaction with identical bytes that was given up before (not accepted, and nothing has changed
        since) is opened again.
        """
        self._run(
            "add_tx",
            signer=tx.signer,
            tx_hash=tx.tx_hash,
            tx_bytes=tx.tx_bytes,
            sequence=tx.sequence,
            timeout_height=tx.timeout_height,
            fee=tx.fee,
            created_at=tx.created_at,
        )
        found = self.open_tx(tx.signer)
        assert found is not None
        for message in messages:
            self._run("attach_message", tx_id=found.id, id=message.id)
        return found

    def open_tx(self, signer: str) -> OpenTx | None:
        row = self._one("open_tx", signer=signer)
        return OpenTx(**dict(row)) if row else None

    def close_tx(
        self, tx: OpenTx, status: str, *, height: int = 0, code: int = 0, gas_used: int = 0, note: str = ""
    ) -> None:
        """Closes a transaction. `included` confirms its messages; with any other status they wait again."""
        cut_note = cut(note, MAX_DETAIL)
        self._run(
            "close_tx", id=tx.id, status=status, height=height, code=code, gas_used=gas_used, note=cut_note
        )
        self._run("confirm_messages" if status == "included" else "release_messages", tx_id=tx.id)

    def prune_txs(self, before: float, count: int = TXS_AT_ONCE) -> None:
        """Deletes transactions older than `before`; those with a report lose only their signed bytes.

        At most `count` of either are changed. Each key's newest included transaction stays complete, because
        it holds the public key.
        """
        self._run("prune_txs", before=before, count=count)
        self._run("empty_txs", before=before, count=count)

    def last_txs(self, count: int) -> list[StoredTx]:
        """Returns the last transactions, newest first."""
        return [StoredTx(**dict(row)) for row in self._all("last_txs", count=count)]

    # --- timeline ---

    def add_event(
        self, job_id: str, kind: EventKind, detail: str, now: float, state: State | None = None
    ) -> None:
        """Adds a timeline entry. `detail` is for people only; `state` is the job state that it is about."""
        self._run(
            "add_event", at=now, job_id=job_id, what=kind, detail=cut(detail, MAX_DETAIL), state=state or ""
        )

    def events_of(self, job_id: str) -> list[TimelineEntry]:
        return [TimelineEntry(**dict(row)) for row in self._all("events_of", job_id=job_id)]


def _message(row: sqlite3.Row) -> Message:
    return Message(**dict(row))
