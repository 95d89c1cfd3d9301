"""`provd ledger`: what an operator and his script read."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.file import SCHEMA_VERSION
from provider_daemon.ledger.ledger import Ledger
from tests.unit.cli.test_jobs import PARKED, run


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Held open with the daemon's lock, as a running provd does."""
    opened = Ledger.open(tmp_path / "ledger.sqlite")
    opened.claim("virtengine-localnet-1")
    with opened.write():
        opened.save_job(PARKED)
    yield opened
    opened.close()


@pytest.mark.usefixtures("ledger")
def test_backup_says_what_it_holds(tmp_path: Path) -> None:
    """Where it is, how large, how many jobs, and as of which block."""
    target = tmp_path / "copy"
    result = run(tmp_path, "ledger", "backup", str(target))
    assert (
        result.output
        == f"{target}: {target.stat().st_size} bytes, 1 jobs (1 open), the chain as of height 0\n"
    )


@pytest.mark.usefixtures("ledger")
def test_check_in_order(tmp_path: Path) -> None:
    """Exit 0: schema, chain, counts by state."""
    result = run(tmp_path, "ledger", "check")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        f"{tmp_path}/ledger.sqlite: schema {SCHEMA_VERSION}, chain virtengine-localnet-1",
        "jobs: 1 parked",
        "messages: none",
        "txs: none",
        "quarantine: none",
        "no problems found",
    ]


def test_check_with_a_finding(tmp_path: Path, ledger: Ledger) -> None:
    """Exit 1: one line for each, what is wrong and what to do; the same as JSON."""
    with ledger.write():
        ledger.add_event("JOB-9\x1b[2J", EventKind.STATE, "", 1.0)
    result = run(tmp_path, "ledger", "check")
    line, count = result.output.splitlines()[-2:]
    assert result.exit_code == 1
    assert line.startswith(
        "JOB-9\\x1b[2J: a timeline of a job that is not in the ledger: this is a bug in provd: "
    )
    assert count == "1 found"
    document = run(tmp_path, "ledger", "check", "-o", "json")
    assert document.exit_code == 1
    assert json.loads(document.output)["counts"]["jobs"] == {"parked": 1}
    assert [found["what"] for found in json.loads(document.output)["findings"]] == [
        "JOB-9\x1b[2J: a timeline of a job that is not in the ledger"
    ]


def test_repair_shows_and_then_changes(tmp_path: Path, ledger: Ledger) -> None:
    """Without --apply nothing changes; with it the job is taken up again; then there is nothing left."""
    poisoned = replace(PARKED, parked=None, slurm_id="NOTICE: x\n10")
    with ledger.write():
        ledger.save_job(poisoned)
    shown = run(tmp_path, "ledger", "repair")
    first, last = shown.output.splitlines()
    assert first.startswith(f"{PARKED.spec.job_id}: ")
    assert "'NOTICE: x\\n10'" in first
    assert last == "1 to repair; nothing was changed, add --apply to repair"
    assert run(tmp_path, "ledger", "repair").output == shown.output
    assert run(tmp_path, "ledger", "repair", "--apply").output.splitlines()[-1] == "1 repaired"
    assert run(tmp_path, "ledger", "repair", "--apply").output == "nothing to repair\n"
    job = ledger.job(PARKED.spec.job_id)
    assert job is not None
    assert (job.parked, job.slurm_id) == (None, "")
