"""An older ledger comes forward whole or not at all, and is then the same as a new one."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from provider_daemon.errors import LedgerError
from provider_daemon.job.hold import Hold
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.ledger import file
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.file import SCHEMA_VERSION, migrations
from provider_daemon.ledger.ledger import Ledger

DIE = """
import os, signal, sqlite3, sys
from pathlib import Path
from provider_daemon.ledger import file
connection = file.connect(Path(sys.argv[1]), False)
connection.set_trace_callback(lambda sql: sys.argv[2] in sql and os.kill(os.getpid(), signal.SIGKILL))
file.migrate(connection, Path(sys.argv[1]))
"""


def schema(path: Path) -> set[tuple[str, str, str]]:
    """Every table and index, with its SQL but for comments and spaces."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master").fetchall()
    return {(kind, name, "".join(re.sub(r"--[^\n]*", "", sql).split())) for kind, name, sql in rows}


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return file.schema_version(connection)


def contents(path: Path) -> list[str]:
    """Every row of the tables of version 1."""
    with closing(sqlite3.connect(path)) as connection:
        return [
            repr(row)
            for table in (
                "meta",
                "quarantine",
                "messages",
                "txs",
                "(SELECT id, at, job_id, what, detail FROM events)",
            )
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1")
        ]


def test_one_script_a_version() -> None:
    """2 to the newest without a gap, and each says in its first line why it is there."""
    assert [number for number, _ in migrations()] == list(range(2, SCHEMA_VERSION + 1))
    assert all(re.match(r"-- .{20,}\n", script) for _, script in migrations())


def test_migrated_and_new_are_the_same(older: Path, tmp_path: Path) -> None:
    """From each older version: the same tables and indexes, column by column; every row is as it was."""
    before = contents(older)
    Ledger.open(older).close()
    Ledger.open(tmp_path / "new.sqlite").close()
    assert schema(older) == schema(tmp_path / "new.sqlite")
    assert (version(older), version(tmp_path / "new.sqlite")) == (SCHEMA_VERSION, SCHEMA_VERSION)
    assert contents(older) == before


PARK_TEXTS = {
    "unknown SLURM state 'MELTED' of SLURM job 5: the job is held as it is": ParkReason.UNKNOWN_STATE,
    (
        "invalid SLURM job id in the ledger: '7x'; `provd ledger repair` clears it, and the job is "
        "looked for by its name"
    ): (ParkReason.INVALID_SLURM_ID),
    "several SLURM jobs are named ve-1: 7, 8; cancel all but one, then unpark": ParkReason.SEVERAL,
    "5 submissions left no trace in SLURM: check sbatch on the login node, then unpark": ParkReason.NO_TRACE,
    (
        "5 submissions left no trace in SLURM (the last answer: x): check sbatch on the login node, "
        "then unpark"
    ): ParkReason.NO_TRACE,
    "SLURM job 7 is in neither squeue nor sacct: find out what became of it, then unpark": ParkReason.MISSING,
    (
        "a SLURM job named ve-1 is in neither squeue nor sacct: find out what became of it, then unpark"
    ): ParkReason.MISSING,
    (
        "SLURM job 7 has left squeue and sacct never closes it: let `sacctmgr show runawayjobs` mend "
        "its record, then unpark"
    ): (ParkReason.NEVER_CLOSED),
    (
        "SLURM job 7 used GPUs that its accounting record does not name: AccountingStorageTRES lacks "
        "gres/gpu; repair it"
    ): (ParkReason.NO_GPU_RECORD),
    (
        "SLURM job 7 has an implausible accounting record: 900 s of 600 s; check sacct; unpark to "
        "report it as it is"
    ): (ParkReason.IMPLAUSIBLE_RECORD),
    "the chain refuses its report: job not found": ParkReason.REPORT_REFUSED,
    (
        "one report would need 900 gas, over the ceiling of 500: raise chain.max_gas, then unpark"
    ): ParkReason.REPORT_TOO_LARGE,
    "somebody's own words": ParkReason.OTHER,
}
"""What 0.1.0 and the versions until schema 5 wrote as the only reason of a parked job."""


@pytest.mark.parametrize("text", PARK_TEXTS)
@pytest.mark.parametrize("older", [1, 4], indirect=True)
def test_a_parked_job_of_an_older_ledger_gets_its_reason(older: Path, text: str) -> None:
    """With its old text as the detail, in its column too; nothing else of any job changes, and every job can
    be read."""
    with closing(sqlite3.connect(older)) as connection:
        connection.execute(
            "UPDATE jobs SET parked = ?1, value = json_set(value, '$.parked', ?1) WHERE job_id = 'JOB-5'",
            (text,),
        )
        connection.execute("UPDATE jobs SET parked = 'x', value = '{' WHERE job_id = 'JOB-9'")
        connection.commit()
        before = [
            json.loads(row[0]) for row in connection.execute("SELECT value FROM jobs WHERE job_id <> 'JOB-9'")
        ]
    ledger = Ledger.open(older)
    job = ledger.job("JOB-5")
    assert job is not None
    assert job.parked == Parked(PARK_TEXTS[text], text)
    ledger.close()
    with closing(sqlite3.connect(older)) as connection:
        parked = dict(connection.execute("SELECT job_id, parked FROM jobs WHERE parked <> ''"))
        after = [
            json.loads(row[0]) for row in connection.execute("SELECT value FROM jobs WHERE job_id <> 'JOB-9'")
        ]
    assert parked == {"JOB-5": PARK_TEXTS[text], "JOB-9": ParkReason.OTHER}
    assert [bool(job.pop("parked")) for job in after] == [bool(job.pop("parked")) for job in before]
    assert after == before


def test_an_entry_of_an_older_timeline_gets_its_state(old: Path) -> None:
    """Metrics go by the column; older versions had the state as the first word of the text."""
    entry = "INSERT INTO events (at, job_id, what, detail) VALUES (1, 'JOB-5', ?, ?)"
    with closing(sqlite3.connect(old)) as connection:
        connection.execute(entry, ("parked", "failed"))
        connection.execute(entry, ("report_stored", "failed"))
        connection.execute(entry, ("state", "failed SLURM: FAILED, exit code 1"))
        connection.commit()
    with closing(Ledger.open(old)) as ledger:
        states = [(entry.what, entry.state) for entry in ledger.events_of("JOB-5")[-3:]]
    assert states == [("parked", ""), ("report_stored", "failed"), ("state", "failed")]


@pytest.mark.parametrize("older", [4, 6], indirect=True)
def test_stored_words_get_their_plain_names(older: Path) -> None:
    """A job on hold and an entry of its timeline; a row that cannot be read stays as it is."""
    with closing(sqlite3.connect(older)) as connection:
        connection.execute(
            "UPDATE jobs SET value = json_set(value, '$.hold', 'too_dear') WHERE job_id = 'JOB-5'"
        )
        connection.execute("UPDATE jobs SET value = '{' WHERE job_id = 'JOB-9'")
        connection.execute(
            "INSERT INTO events (at, job_id, what, detail) VALUES (1, 'JOB-5', 'sbatch_in_doubt', 'x')"
        )
        connection.commit()
    with closing(Ledger.open(older)) as ledger:
        job, entry = ledger.job("JOB-5"), ledger.events_of("JOB-5")[-1]
    assert job is not None
    assert (job.hold, entry.what) == (Hold.TOO_EXPENSIVE, EventKind.SBATCH_UNKNOWN)


def test_a_copy_of_the_old_one_stays(old: Path) -> None:
    """The older daemon can go on from it: same version, same rows, readable by its owner only; one line says
    where it is."""
    before = contents(old)
    with structlog.testing.capture_logs() as logs:
        Ledger.open(old).close()
        Ledger.open(old).close()
    kept = old.with_name("old.sqlite.v1.bak")
    assert (version(kept), contents(kept)) == (1, before)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [(line["event"], line["before"], line["schema"], line["kept"]) for line in logs] == [
        ("ledger_migrated", 1, SCHEMA_VERSION, str(kept))
    ]


@pytest.mark.parametrize(
    "moment", ["CREATE TABLE snapshots", "CREATE INDEX", "PRAGMA user_version =", "COMMIT"]
)
def test_killed_in_the_middle(old: Path, moment: str) -> None:
    """Whatever statement it dies at, the file is still whole and of version 1, and the next start brings it
    forward."""
    before, tables = contents(old), schema(old)
    died = subprocess.run(
        [sys.executable, "-c", DIE, str(old), moment],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert (version(old), contents(old), schema(old)) == (1, before, tables)
    Ledger.open(old).close()
    assert version(old) == SCHEMA_VERSION


def test_a_migration_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that fails at its second statement leaves nothing of its first, and the daemon says so in one
    line."""
    monkeypatch.setattr(file, "migrations", lambda: [(2, "CREATE TABLE half (a); CREATE TABLE jobs (a);")])
    tables = schema(old)
    with pytest.raises(LedgerError, match=r"ledger .* cannot be opened: table jobs already exists"):
        Ledger.open(old)
    assert (version(old), schema(old)) == (1, tables)


@pytest.mark.parametrize("readonly", [True, False])
def test_commands_leave_an_older_file_alone(old: Path, readonly: bool) -> None:
    """A command beside an older daemon that still runs neither fails on a missing table nor changes the
    schema under it."""
    with pytest.raises(LedgerError, match=r"is from an older provd \(schema 1, this provd uses \d+\)"):
        Ledger.open(old, readonly=readonly, lock=False)
    assert version(old) == 1
