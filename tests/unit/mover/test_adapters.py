"""The mover's view of the ledger."""

from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.errors import Transient
from provider_daemon.job.job import Job
from provider_daemon.job.references import DataReference
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import job_from_value
from provider_daemon.mover import adapters
from provider_daemon.mover.adapters import LedgerJobs
from tests.unit.job.jobs import JOB

CLUSTER = JOB.spec.cluster_id


def job(number: int, directory: str = "") -> Job:
    spec = replace(JOB.spec, job_id=f"JOB-{number}")
    return replace(JOB, spec=spec, slurm_name=f"ve-{number}", directory=directory)


def test_only_changed_jobs_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that did not change costs no parse; a changed, a new and a closed one are seen at once."""
    parsed = list[str]()

    def parse(value: str) -> Job:
        found = job_from_value(value)
        parsed.append(found.spec.job_id)
        return found

    monkeypatch.setattr(adapters, "job_from_value", parse)
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with ledger.write():
        for number in (1, 2, 3):
            ledger.save_job(job(number))
    jobs = LedgerJobs(LedgerGuest(tmp_path / "ledger.sqlite"))
    assert [each.job_id for each in jobs.open_jobs(CLUSTER)] == ["JOB-1", "JOB-2", "JOB-3"]
    assert jobs.open_jobs("HPC-other") == []
    parsed.clear()
    with ledger.write():
        ledger.save_job(job(2, directory="/scratch/job"))
        ledger.save_job(replace(job(3), closed_at=1.0))
        ledger.save_job(job(4))
    assert [(each.job_id, each.directory) for each in jobs.open_jobs(CLUSTER)] == [
        ("JOB-1", ""),
        ("JOB-2", "/scratch/job"),
        ("JOB-4", ""),
    ]
    assert parsed == ["JOB-2", "JOB-4"]
    ledger.close()


def test_references(tmp_path: Path) -> None:
    """They are read when they are needed; a number that belongs to another job now has none of this one's."""
    declared = (DataReference(uri="upload:x"), DataReference(uri="upload:y"))
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with ledger.write():
        ledger.save_job(replace(job(1), spec=replace(job(1).spec, data=declared, inputs_pointer="site:set")))
    jobs = LedgerJobs(LedgerGuest(tmp_path / "ledger.sqlite"))
    (facts,) = jobs.open_jobs(CLUSTER)
    assert facts.inputs == 3
    assert [each.uri for each in jobs.references(facts)] == ["upload:x", "upload:y", "site:set"]
    with pytest.raises(Transient, match="does not have ve-2"):
        jobs.references(replace(facts, name="ve-2"))
    ledger.close()


def test_an_unreadable_job_stops_no_other(tmp_path: Path) -> None:
    """It is left out as long as its row cannot be read."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with ledger.write():
        for number in (1, 2):
            ledger.save_job(job(number))
    ledger._db.execute("UPDATE jobs SET value = '{}' WHERE job_id = 'JOB-1'")
    jobs = LedgerJobs(LedgerGuest(tmp_path / "ledger.sqlite"))
    for _ in range(2):
        assert [each.job_id for each in jobs.open_jobs(CLUSTER)] == ["JOB-2"]
    with ledger.write():
        ledger.save_job(job(1))
    assert [each.job_id for each in jobs.open_jobs(CLUSTER)] == ["JOB-1", "JOB-2"]
    ledger.close()
