"""`provd ledger drop`: only what is not on chain goes, and it is kept as a record."""

from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.cli.ledger_drop import objection_to
from provider_daemon.errors import LedgerError
from provider_daemon.job.hold import Hold
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State
from provider_daemon.ledger.check import check
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message
from tests.unit.job.jobs import JOB

ID = JOB.spec.job_id
TRUE = ChainJob(JOB.spec, State.PENDING)
OTHER = ChainJob(replace(JOB.spec, customer="ve1other"), State.PENDING)


def test_the_chain_s_own_job_stays() -> None:
    assert "exists on chain with the same request" in objection_to(JOB, TRUE, leave_slurm_job=True)


@pytest.mark.parametrize("record", [None, OTHER])
def test_a_job_that_is_not_on_chain(record: ChainJob | None) -> None:
    assert objection_to(JOB, record, leave_slurm_job=False) == ""


def test_an_ignored_job_is_considered_again() -> None:
    """It is on chain, and nothing was ever done about it."""
    assert (
        objection_to(replace(JOB, hold=Hold.TOO_EXPENSIVE, closed_at=1.0), TRUE, leave_slurm_job=False) == ""
    )


def test_a_slurm_job_that_may_be_alive() -> None:
    alive = replace(JOB, slurm_id="7")
    assert (
        objection_to(alive, None, leave_slurm_job=False)
        == f"SLURM job 7 of {ID} may still exist: cancel it with scancel, then add --leave-slurm-job"
    )
    assert objection_to(alive, None, leave_slurm_job=True) == ""


def test_what_is_kept(tmp_path: Path) -> None:
    """The job, its timeline and its reports under another id; the number is read again; the ledger is in
    order."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    ledger.claim(JOB.spec.chain_id)
    with ledger.write():
        ledger.save_job(JOB)
        ledger.add_event(ID, EventKind.ADOPTED, "chain says pending", 1.0)
        ledger.add_message("ve1p", Message("report", ID, b"r", "queued"), 1.0)
        kept_as = ledger.drop_job(ID, "dropped by the operator", 2.0)
    assert ledger.job(ID) is None
    assert ledger.dropped_job(kept_as) == JOB
    assert [row.what for row in ledger.events_of(kept_as)] == ["adopted"]
    assert [row.status for row in ledger.messages_of(kept_as)] == ["dropped"]
    assert ledger.waiting_messages("ve1p") == []
    assert ledger.quarantined() == [ID]
    assert check(ledger._db, JOB.spec.chain_id).findings == []
    ledger.close()


def test_beside_a_daemon(tmp_path: Path) -> None:
    """The daemon has the job in its hands: it must be stopped first."""
    held = Ledger.open(tmp_path / "ledger.sqlite")
    with pytest.raises(LedgerError, match="stop it first"):
        Ledger.open(tmp_path / "ledger.sqlite")
    held.close()
