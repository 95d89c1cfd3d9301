"""The ledger: what is written together is there together, and two daemons never share one."""

import errno
import fcntl
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.errors import LedgerError
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage
from provider_daemon.ledger import meta
from provider_daemon.ledger.file import SCHEMA_VERSION
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx, job_from_value, job_to_row
from tests.unit.job.jobs import JOB


def open_tx(sequence: int = 0, tx_hash: str = "AA") -> OpenTx:
    return OpenTx(0, "ve1p", tx_hash, b"bytes", sequence, 100, 5, 1.0)


def store(ledger: Ledger, *messages: Message) -> None:
    with ledger.write():
        for message in messages:
            ledger.add_message("ve1p", message, 1.0)


def test_job_round_trip() -> None:
    """A job comes back from its row as it went in, environment and usage included."""
    spec = replace(
        JOB.spec, workload=replace(JOB.spec.workload, environment=(("A", "b"),), arguments=("x", "y"))
    )
    job = replace(
        JOB, spec=spec, usage=Usage(gpu_seconds=3, gpu_seconds_by_type=(("a100", 3),)), state=State.RUNNING
    )
    assert job_from_value(str(job_to_row(job)["value"])) == job


def test_second_daemon_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """While one daemon holds the ledger another cannot open it, and is told so in one line."""
    with pytest.raises(LedgerError, match="another provd process uses the ledger"):
        Ledger.open(tmp_path / "ledger.sqlite")
    Ledger.open(tmp_path / "ledger.sqlite", readonly=True, lock=False).close()


def test_only_its_group_reads_it(ledger: Ledger, tmp_path: Path) -> None:
    """It holds customers' commands and environments: only the ledger's owner
    writes, and only its group reads, the file and those beside it."""
    store(ledger, Message("report", "JOB-1", b"q", "queued"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite.lock"} <= set(modes)
    assert modes.pop("ledger.sqlite.lock") == 0o600
    assert set(modes.values()) == {0o640}


def test_a_ledger_belongs_to_one_chain(ledger: Ledger) -> None:
    """The jobs of one chain are never mixed with another's: their ids are the same."""
    ledger.claim("test-1")
    ledger.claim("test-1")
    with pytest.raises(LedgerError, match="belongs to chain 'test-1'"):
        ledger.claim("test-2")


def test_newer_ledger_is_refused(tmp_path: Path) -> None:
    """An older daemon never touches a newer schema."""
    path = tmp_path / "ledger.sqlite"
    Ledger.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(LedgerError, match="newer provd"):
        Ledger.open(path)


def test_write_is_all_or_nothing(ledger: Ledger) -> None:
    """A failure inside a write leaves nothing of it behind."""

    def write_and_fail() -> None:
        with ledger.write():
            ledger.save_job(JOB)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert ledger.job("JOB-1") is None


def test_closed_jobs_are_not_open(ledger: Ledger) -> None:
    """Only jobs that still need something are looked at."""
    with ledger.write():
        ledger.save_job(JOB)
        assert ledger.open_jobs("HPC-1") == [JOB]
        ledger.save_job(replace(JOB, closed_at=5.0))
    assert ledger.open_jobs("HPC-1") == []


def test_reports_go_before_heartbeats_and_in_order(ledger: Ledger) -> None:
    """A backlog of heartbeats never delays a report, and a job's reports keep their order."""
    store(
        ledger,
        Message("node", "a.n1", b"n"),
        Message("report", "JOB-1", b"q", "queued"),
        Message("report", "JOB-1", b"r", "running"),
    )
    assert [message.body for message in ledger.waiting_messages("ve1p")] == [b"q", b"r", b"n"]


def test_heartbeat_replaces_the_one_that_waits(ledger: Ledger) -> None:
    """A halted chain does not pile up heartbeats."""
    with ledger.write():
        ledger.replace_message("ve1p", Message("node", "a.n1", b"1"), 1.0)
        ledger.replace_message("ve1p", Message("node", "a.n1", b"2"), 2.0)
    assert [message.body for message in ledger.waiting_messages("ve1p")] == [b"2"]


def test_one_open_transaction_a_key(ledger: Ledger) -> None:
    """The database itself refuses a second open transaction of one key."""
    with ledger.write():
        ledger.add_tx(open_tx(), [])
    with pytest.raises(LedgerError), ledger.write():
        ledger.add_tx(open_tx(1, "BB"), [])


def test_expired_transaction_gives_its_messages_back(ledger: Ledger) -> None:
    """What was not included waits again, in the old order; what was included is confirmed."""
    store(ledger, Message("report", "JOB-1", b"q", "queued"), Message("report", "JOB-1", b"r", "running"))
    with ledger.write():
        tx = ledger.add_tx(open_tx(), ledger.waiting_messages("ve1p"))
    assert ledger.waiting_messages("ve1p") == []
    assert [message.body for message in ledger.messages_of_tx(tx.id)] == [b"q", b"r"]
    with ledger.write():
        ledger.close_tx(tx, "expired")
        assert len(ledger.waiting_messages("ve1p")) == 2
        ledger.close_tx(ledger.add_tx(open_tx(0, "BB"), ledger.waiting_messages("ve1p")), "included")
    assert ledger.waiting_messages("ve1p") == []
    assert [row.status for row in ledger.messages_of("JOB-1")] == ["confirmed", "confirmed"]


def test_bytes_that_were_not_taken_may_be_made_again(ledger: Ledger) -> None:
    """Same messages, sequence and height give the same bytes: their row is opened again, with the messages in
    it."""
    store(ledger, Message("report", "JOB-1", b"q", "queued"))
    with ledger.write():
        ledger.close_tx(
            ledger.add_tx(open_tx(), ledger.waiting_messages("ve1p")),
            "failed",
            code=1,
            note="rate limit exceeded",
        )
        again = ledger.add_tx(open_tx(), ledger.waiting_messages("ve1p"))
    assert [(row.status, row.code, row.note) for row in ledger.last_txs(10)] == [("open", 0, "")]
    assert [message.body for message in ledger.messages_of_tx(again.id)] == [b"q"]


def test_a_place_that_cannot_be_written_is_one_line() -> None:
    """A directory that cannot be made ends in LedgerError with the reason and the path."""
    with pytest.raises(
        LedgerError,
        match=r"ledger /proc/none/ledger\.sqlite cannot be opened: No such file or directory: '?/proc/none",
    ):
        Ledger.open(Path("/proc/none/ledger.sqlite"))


def test_what_is_no_ledger_says_what_to_do_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is damaged is checked; one that is another user's is opened as that user."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"no database" * 1000)
    for readable, step in (
        (True, "`provd ledger check` says more"),
        (False, "run this as provd's user or as root"),
    ):
        monkeypatch.setattr(os, "access", lambda path, mode, answer=readable: answer)
        with pytest.raises(LedgerError, match=f"cannot be opened: file is not a database; {step}"):
            Ledger.open(path, readonly=True, lock=False)


def test_a_damaged_file_is_no_fault_of_provd(tmp_path: Path) -> None:
    """A page that cannot be read is told as what it is, and stops the daemon, whoever reads it first."""
    path = tmp_path / "ledger.sqlite"
    with closing(Ledger.open(path)) as ledger:
        with ledger.write():
            ledger.save_job(JOB)
        (page,) = ledger._db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs'").fetchone()
        (size,) = ledger._db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))
    with (
        closing(Ledger.open(path)) as ledger,
        pytest.raises(LedgerError, match="the ledger cannot be read: database disk image is malformed"),
    ):
        ledger.open_jobs("HPC-1")


def test_the_first_trouble_is_the_one_that_is_told(ledger: Ledger) -> None:
    """After some failures SQLite has already ended the transaction by itself: that there is none left is no
    news."""
    with ledger.write():
        ledger.set(meta.SERVED, "HPC-1")
    with pytest.raises(LedgerError, match="UNIQUE constraint failed"), ledger.write():
        ledger._db.execute("INSERT OR ROLLBACK INTO meta VALUES ('served', 'other')")


def test_a_file_system_without_locks_is_not_another_provd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS without its lock service: the operator must not look for a daemon that is not there."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(LedgerError, match="cannot be locked: No locks available: keep it on a local disk"):
        Ledger.open(tmp_path / "ledger.sqlite")


def test_overdue_is_by_the_chains_clock(ledger: Ledger) -> None:
    """Only jobs that the chain has as running, and only past their limit."""
    running = replace(JOB, reported=State.RUNNING, chain_started_at=1000)
    limit = JOB.spec.max_runtime_seconds
    with ledger.write():
        ledger.save_job(running)
        ledger.save_job(replace(running, spec=replace(JOB.spec, job_id="JOB-2"), chain_started_at=0))
        ledger.save_job(replace(running, spec=replace(JOB.spec, job_id="JOB-3"), reported=State.COMPLETED))
    assert ledger.overdue(1000 + limit) == frozenset()
    assert ledger.overdue(1000.5 + limit) == {"JOB-1"}


def test_a_ledger_has_an_id_of_its_own(tmp_path: Path) -> None:
    """From its first use on, and the same at every later start."""
    first, second = Ledger.open(tmp_path / "a.sqlite"), Ledger.open(tmp_path / "b.sqlite")
    assert first.id == ""
    first.claim("virtengine-1")
    second.claim("virtengine-1")
    kept = first.id
    first.claim("virtengine-1")
    assert len(kept) == 32
    assert first.id == kept != second.id
    first.close()
    second.close()
