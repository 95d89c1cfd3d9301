"""A backup: whole, private, never over another file, and known as a copy when it is put back."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.errors import LedgerError
from provider_daemon.ledger import meta
from provider_daemon.ledger.backup import backup
from provider_daemon.ledger.ledger import Ledger
from tests.unit.job.jobs import JOB


def fill(ledger: Ledger, jobs: int = 3) -> None:
    with ledger.write():
        ledger.set(meta.CANCELS_HEIGHT, 77)
        ledger.set(meta.sign_of_life("HPC-1"), 5.0)
        for number in range(1, jobs + 1):
            closed_at = 5.0 if number == 1 else None
            ledger.save_job(replace(JOB, spec=replace(JOB.spec, job_id=f"JOB-{number}"), closed_at=closed_at))


def test_beside_the_daemon(path: Path, tmp_path: Path) -> None:
    """What is committed is in it, the write-ahead log included, while the daemon holds the ledger and is
    inside a write."""
    ledger, target = Ledger.open(path), tmp_path / "copy"
    fill(ledger)
    with ledger.write():
        ledger.save_job(replace(JOB, spec=replace(JOB.spec, job_id="JOB-9")))
        made = backup(path, target)
    ledger.close()
    assert (made.size, made.jobs, made.open_jobs, made.height) == (target.stat().st_size, 3, 2, 77)
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(
        file.name for file in tmp_path.glob("copy*") if not file.name.endswith(("-wal", "-shm"))
    ) == ["copy"]
    with closing(Ledger.open(target)) as copied:
        assert copied.job("JOB-1") is not None
        assert copied.job("JOB-9") is None
        assert copied.get(meta.sign_of_life("HPC-1")) == meta.NEVER


def test_never_over_another_file(path: Path, tmp_path: Path) -> None:
    """Yesterday's backup, or whatever else has that name, stays as it is."""
    Ledger.open(path).close()
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(LedgerError, match=r"copy already exists: choose another name"):
        backup(path, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "precious"


def test_nowhere_to_write(path: Path) -> None:
    """One line says where and why; nothing is left behind."""
    Ledger.open(path).close()
    with pytest.raises(LedgerError, match=r"cannot copy the ledger to /proc/none/copy: No such file"):
        backup(path, Path("/proc/none/copy"))


def test_a_damaged_ledger_makes_no_backup(path: Path, tmp_path: Path) -> None:
    """A copy that could not be put back has no name, so nobody counts on it."""
    with closing(Ledger.open(path)) as ledger:
        fill(ledger, 200)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs'").fetchone()
    pages = bytearray(path.read_bytes())
    pages[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(pages)
    with pytest.raises(LedgerError, match=r"damaged|cannot be copied"):
        backup(path, tmp_path / "copy")
    assert list(tmp_path.glob("copy*")) == []


def test_no_ledger(path: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger at"):
        backup(path, tmp_path / "copy")
