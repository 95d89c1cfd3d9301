"""Rows that hold what they never may: one job stands still, and there is a way out."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.job.lifecycle import WAITING_WINDOW, Submit, decide, observe
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.state import State
from provider_daemon.ledger import file, repair
from provider_daemon.ledger.check import check
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.repair import RepairKind
from tests.unit.job.jobs import JOB, NOW, look

NOTICE = "NOTICE: maintenance on Friday\n10"
OTHER = replace(JOB, spec=replace(JOB.spec, job_id="JOB-2"), slurm_id="12", state=State.RUNNING)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Two jobs; the first one's SLURM id is a site's notice, as an older provd stored it."""
    opened = Ledger.open(tmp_path / "ledger.sqlite")
    with opened.write():
        opened.save_job(replace(JOB, slurm_id=NOTICE, intent_at=5.0))
        opened.save_job(OTHER)
    return opened


def test_an_invalid_id_parks_its_own_job_alone(ledger: Ledger) -> None:
    """It never leaves the ledger: the job comes out parked, with the start of the id in its detail; the
    others as ever."""
    poisoned, other = ledger.open_jobs("HPC-1")
    assert (poisoned.slurm_id, other) == ("", OTHER)
    assert poisoned.parked is not None
    assert poisoned.parked.reason is ParkReason.INVALID_SLURM_ID
    assert "'NOTICE: maintenance" in poisoned.parked.detail
    assert ledger.job("JOB-1") == poisoned
    assert decide(observe(poisoned, look(), NOW + 10_000), look()) is None


@pytest.mark.parametrize(
    "slurm_id", [NOTICE, "0", "12_3", "99999999999", "4294967294", "-1", " 7", "7\n", "1٢"]
)
def test_every_id_that_is_none_is_found(ledger: Ledger, slurm_id: str) -> None:
    """The daemon looks for them without reading every job."""
    with ledger.write():
        ledger.save_job(replace(JOB, slurm_id=slurm_id))
    assert [job.spec.job_id for job in ledger.jobs_with_invalid_id("HPC-1")] == ["JOB-1"]
    with ledger.write():
        ledger.save_job(replace(JOB, slurm_id="4294967293"))
    assert ledger.jobs_with_invalid_id("HPC-1") == []


@pytest.mark.parametrize("saved", [False, True], ids=["as stored", "as the daemon parked it"])
def test_repair_clears_the_id(ledger: Ledger, saved: bool) -> None:
    """The job is looked for by its name, and submitted only a waiting window after the repair."""
    if saved:
        with ledger.write():
            for parked in ledger.jobs_with_invalid_id("HPC-1"):
                ledger.save_job(parked)
    (step,) = repair.plan(ledger)
    assert (step.kind, step.job_id) == (RepairKind.CLEAR_ID, "JOB-1")
    assert ledger.job("JOB-1").parked  # type: ignore[union-attr]
    repair.apply(ledger, [step], NOW)
    job = ledger.job("JOB-1")
    assert job is not None
    assert (job.slurm_id, job.parked, job.intent_at) == ("", None, NOW)
    assert decide(job, look(at=NOW + WAITING_WINDOW - 1)) is None
    assert isinstance(decide(job, look(at=NOW + WAITING_WINDOW)), Submit)
    assert repair.plan(ledger) == []


@pytest.mark.parametrize("value", ["{", "null", '{"spec": 1}', "[]"])
def test_a_row_that_cannot_be_read_is_put_aside(ledger: Ledger, value: str) -> None:
    """The others continue. With the repair the row is kept with the dropped jobs, and the job is read from
    the chain as a new one."""
    with ledger.write():
        ledger._db.execute("UPDATE jobs SET value = ? WHERE job_id = 'JOB-1'", (value,))
    assert ledger.open_jobs("HPC-1") == [OTHER]
    assert list(ledger.unreadable["HPC-1"]) == ["JOB-1"]
    (step,) = repair.plan(ledger)
    assert step.kind is RepairKind.PUT_ASIDE
    repair.apply(ledger, [step], NOW)
    (kept,) = ledger._db.execute("SELECT job_id, value FROM dropped_jobs").fetchall()
    assert tuple(kept) == ("JOB-1", value)
    assert (ledger.quarantined(), repair.plan(ledger), ledger.open_jobs("HPC-1")) == (["JOB-1"], [], [OTHER])


def test_check_names_the_way_out(ledger: Ledger, tmp_path: Path) -> None:
    """`provd ledger check`, and the doctor with it, name the job and the command."""
    ledger.claim("test-1")
    with closing(file.connect(tmp_path / "ledger.sqlite", readonly=True)) as connection:
        (finding,) = [found for found in check(connection, "test-1").findings if "'NOTICE: " in found.what]
    assert finding.what.startswith("JOB-1: ")
    assert "`provd ledger repair`" in finding.todo
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection:
        connection.execute("UPDATE jobs SET value = '{'")
        connection.commit()
    with closing(file.connect(tmp_path / "ledger.sqlite", readonly=True)) as connection:
        assert all("`provd ledger repair`" in found.todo for found in check(connection, "test-1").findings)
