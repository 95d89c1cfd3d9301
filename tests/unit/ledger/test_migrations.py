"""An older ledger comes forward whole or not at all, and is then the same as a new one."""

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
from provider_daemon.ledger import file
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
    return {(kind, name, " ".join(re.sub(r"--[^\n]*", "", sql).split())) for kind, name, sql in rows}


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return file.schema_version(connection)


def contents(path: Path) -> list[str]:
    """Every row of the tables of version 1."""
    with closing(sqlite3.connect(path)) as connection:
        return [
            repr(row)
            for table in ("meta", "jobs", "quarantine", "messages", "txs", "events")
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


def test_a_copy_of_the_old_one_stays(old: Path) -> None:
    """The older daemon can go on from it: same version, same rows, readable by its owner only; one line says where it is."""
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


@pytest.mark.parametrize("moment", ["CREATE TABLE snapshots", "CREATE INDEX", "PRAGMA user_version =", "COMMIT"])
def test_killed_in_the_middle(old: Path, moment: str) -> None:
    """Whatever statement it dies at, the file is still whole and of version 1, and the next start brings it forward."""
    before, tables = contents(old), schema(old)
    died = subprocess.run([sys.executable, "-c", DIE, str(old), moment], env={**os.environ, "PYTHONPATH": os.getcwd()}, check=False)
    assert died.returncode == -signal.SIGKILL
    assert (version(old), contents(old), schema(old)) == (1, before, tables)
    Ledger.open(old).close()
    assert version(old) == SCHEMA_VERSION


def test_a_migration_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that fails at its second statement leaves nothing of its first, and the daemon says so in one line."""
    monkeypatch.setattr(file, "migrations", lambda: [(2, "CREATE TABLE half (a); CREATE TABLE jobs (a);")])
    tables = schema(old)
    with pytest.raises(LedgerError, match=r"ledger .* cannot be opened: table jobs already exists"):
        Ledger.open(old)
    assert (version(old), schema(old)) == (1, tables)


@pytest.mark.parametrize("readonly", [True, False])
def test_commands_leave_an_older_file_alone(old: Path, readonly: bool) -> None:
    """A command beside an older daemon that still runs neither fails on a missing table nor changes the schema under it."""
    with pytest.raises(LedgerError, match=r"is of an older provd \(schema 1, ours \d\)"):
        Ledger.open(old, readonly=readonly, lock=False)
    assert version(old) == 1
