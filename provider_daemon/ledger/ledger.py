"""The ledger: one SQLite file, the only durable state. Called directly from the loops: a commit takes under a
millisecond.

Every method either reads or runs inside `with ledger.write():`, which commits once at its end or not at all.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from provider_daemon.errors import LedgerError
from provider_daemon.job.lifecycle import Job
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

MAX_DETAIL = 2_000  # bytes kept of an event, a note or a reason: they repeat what strangers wrote
TXS_AT_ONCE = 1000  # that are forgotten in one commit: a tenth of a second; a key makes 15,000 a day at most


class Ledger(Database):
    """What the daemon stores about jobs, the messages about them and the transactions that hold those."""

    def __init__(self, connection: sqlite3.Connection, lock: int | None) -> None:
        super().__init__(connection, lock)
        # cluster id -> job id -> why its row could not be read at the last open_jobs
        self.unreadable: dict[str, dict[str, str]] = {}

    # --- jobs ---

    def save_job(self, job: Job) -> None:
        self._run("save_job", **job_to_row(job))

    def job(self, job_id: str) -> Job | None:
        """None for one whose row cannot be read, too: nothing can be known of it, and the others continue."""
        return next(iter(read_jobs(self._all("get_job", job_id=job_id))[0]), None)

    def witnesses(self, count: int) -> list[Job]:
        """The first that entered, and the last, so many of each."""
        return read_jobs(self._all("witnesses", count=count))[0]

    def on_hold(self) -> list[str]:
        """Ids of jobs, open or closed, whose record on chain was another one, absent or unreadable when it
        was last read."""
        return [row["job_id"] for row in self._all("on_hold")]

    def drop_job(self, job_id: str, reason: str, now: float) -> str:
        """Frees the number for another job. The job stays as a record, with its events, reports and
        snapshots, under the id returned.

        Intake reads the number again, at its next sweep.
        """
        self.drop_unsent_reports(job_id, reason)
        self._run("drop_job", job_id=job_id, reason=cut(reason, MAX_DETAIL), at=now)
        self._run("delete_job", job_id=job_id)
        kept_as: str = self._all("dropped_as", job_id=job_id)[0]["kept_as"]
        for query in ("rename_events", "rename_messages", "rename_snapshots"):
            self._run(query, job_id=job_id, kept_as=kept_as)
        self.quarantine(job_id, f"{kept_as} was dropped: the number is read again", now)
        return kept_as

    def dropped_job(self, kept_as: str) -> Job | None:
        row = self._one("dropped_job", kept_as=kept_as)
        return job_from_value(row["value"]) if row else None

    def open_jobs(self, cluster_id: str) -> list[Job]:
        """Without those whose rows cannot be read: `unreadable` names them."""
        jobs, self.unreadable[cluster_id] = read_jobs(self._all("open_jobs", cluster_id=cluster_id))
        return jobs

    def jobs_with_invalid_id(self, cluster_id: str) -> list[Job]:
        """Open jobs whose row holds a SLURM id that is none: parked, without it."""
        return read_jobs(self._all("invalid_slurm_ids", cluster_id=cluster_id, largest=LARGEST))[0]

    def open_ids(self, cluster_id: str) -> list[str]:
        """Of the same jobs, without reading them: ten thousand of those take half a second."""
        return [row["job_id"] for row in self._all("open_ids", cluster_id=cluster_id)]

    def overdue(self, chain_time: float) -> frozenset[str]:
        """Ids of the open jobs that the chain, which tells nobody, ends by its own clock; `chain_time` in
        seconds since the epoch."""
        return frozenset(row["job_id"] for row in self._all("overdue", chain_time=chain_time))

    def unpark(self, job_id: str, *, forgo_gpus: bool = False) -> None:
        """Raises LedgerError for a job that is not parked."""
        job = self.job(job_id)
        if job is None or not job.parked:
            raise LedgerError(f"{job_id} is not parked")
        accepted = job.record_accepted or job.parked.reason is ParkReason.IMPLAUSIBLE_RECORD
        forgone = forgo_gpus or job.gpus_forgone
        job = replace(job, parked=None, missing_since=None, attempt=0)
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
        """`kept` messages are never sent: signed evidence that the chain takes no report for."""
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
        """For what only its newest version matters (heartbeats): an older one that waits is replaced."""
        self._run("replace_waiting", signer=signer, kind=message.kind, subject=message.subject)
        self.add_message(signer, message, now)

    def waiting_messages(self, signer: str) -> list[Message]:
        """Oldest first, reports before anything else."""
        return [_message(row) for row in self._all("waiting_messages", signer=signer)]

    def all_wait(self, messages: Sequence[Message]) -> bool:
        """Whether each is still there as it was read: other loops replace heartbeats and drop reports while a
        transaction is drafted."""
        return all(
            (row := self._one("waiting_message", id=message.id)) and _message(row) == message
            for message in messages
        )

    def count_waiting(self) -> list[Waiting]:
        return [Waiting(**dict(row)) for row in self._all("count_waiting")]

    def messages_of_tx(self, tx_id: int) -> list[Message]:
        """In the order in which the transaction holds them."""
        return [_message(row) for row in self._all("messages_of_tx", tx_id=tx_id)]

    def drop_message(self, message_id: int, note: str) -> None:
        self._run("drop_message", id=message_id, note=cut(note, MAX_DETAIL))

    def drop_reports(self, job_id: str, note: str) -> None:
        """Every waiting report of the job: the chain's record moved otherwise than they assume."""
        self._run("drop_reports", subject=job_id, note=cut(note, MAX_DETAIL))

    def drop_unsent_reports(self, job_id: str, note: str) -> None:
        """Those that wait and are in no transaction: the fate of the others is not known yet."""
        self._run("drop_unsent_reports", subject=job_id, note=cut(note, MAX_DETAIL))

    def last_sent(self, job_id: str) -> State | None:
        """What the last report of the job in the open transaction says; None when none is in it."""
        row = self._one("last_sent", subject=job_id)
        return State(row["state"]) if row else None

    def has_last_report(self, job_id: str) -> bool:
        """Whether its signed usage waits, was reported, or is kept."""
        return self._one("last_report", subject=job_id) is not None

    def keep_last_report(self, job_id: str, note: str) -> None:
        """The waiting terminal report holds the signed usage of a job that the chain ended otherwise:
        evidence, never to be sent."""
        self._run("keep_last_report", subject=job_id, note=cut(note, MAX_DETAIL))

    def messages_of(self, subject: str) -> list[StoredMessage]:
        return [StoredMessage(**dict(row)) for row in self._all("messages_of_subject", subject=subject)]

    def prune_messages(self, before: float) -> None:
        """Forget old heartbeats; reports stay."""
        self._run("prune_messages", before=before)

    # --- transactions ---

    def add_tx(self, tx: OpenTx, messages: Sequence[Message]) -> OpenTx:
        """Stores hash and bytes, and which messages ride in it; raises LedgerError when the key already has
        one open.

        The very bytes that were given up before (not taken, and nothing has changed since) are opened again.
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
        """`included` confirms its messages; any other status sends them back to wait."""
        cut_note = cut(note, MAX_DETAIL)
        self._run(
            "close_tx", id=tx.id, status=status, height=height, code=code, gas_used=gas_used, note=cut_note
        )
        self._run("confirm_messages" if status == "included" else "release_messages", tx_id=tx.id)

    def prune_txs(self, before: float, count: int = TXS_AT_ONCE) -> None:
        """Forget transactions from before that moment, and of those that hold a report the signed bytes; at
        most `count` of either.

        Each key's newest one that is in a block stays whole: it holds the key's public half.
        """
        self._run("prune_txs", before=before, count=count)
        self._run("empty_txs", before=before, count=count)

    def last_txs(self, count: int) -> list[StoredTx]:
        """The newest first."""
        return [StoredTx(**dict(row)) for row in self._all("last_txs", count=count)]

    # --- timeline ---

    def add_event(
        self, job_id: str, kind: EventKind, detail: str, now: float, state: State | None = None
    ) -> None:
        """`detail` is for people alone; `state` is the job state that the entry is about."""
        self._run(
            "add_event", at=now, job_id=job_id, what=kind, detail=cut(detail, MAX_DETAIL), state=state or ""
        )

    def events_of(self, job_id: str) -> list[TimelineEntry]:
        return [TimelineEntry(**dict(row)) for row in self._all("events_of", job_id=job_id)]


def _message(row: sqlite3.Row) -> Message:
    return Message(**dict(row))
