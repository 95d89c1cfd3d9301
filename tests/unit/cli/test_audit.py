"""`provd audit`, and what commands of operators leave in the log."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from provider_daemon.audit_log.files import AuditFiles
from provider_daemon.audit_log.records import Action, Actor, ActorKind, Deed, Process
from provider_daemon.cli.app import app
from provider_daemon.config.model import default_toml
from provider_daemon.errors import LedgerError
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from tests.unit.job.jobs import JOB

ID = JOB.spec.job_id


def run(directory: Path, *arguments: str) -> Result:
    config = directory / "provd.toml"
    config.write_text(default_toml().replace("/var/lib/provd/", f"{directory}/"))
    return CliRunner().invoke(app, [*arguments, "-c", str(config)])


@pytest.fixture
def parked(tmp_path: Path) -> Path:
    """A ledger with one parked job."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with ledger.write():
        ledger.save_job(replace(JOB, parked=Parked(ParkReason.SEVERAL, "")))
    ledger.close()
    return tmp_path


def test_an_operator_is_recorded(parked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unparking a job is on record with the Unix user, and with the caller of sudo."""
    monkeypatch.setenv("SUDO_USER", "alice")
    monkeypatch.setenv("LOGNAME", "root")
    assert run(parked, "job", "unpark", ID).exit_code == 0
    (line,) = run(parked, "audit", "export").output.splitlines()
    record = json.loads(line)
    assert [record[name] for name in ("action", "actor_kind", "actor", "job")] == [
        "job_unparked",
        "operator",
        "root (alice)",
        ID,
    ]


def test_without_a_record_nothing_is_done(parked: Path) -> None:
    """A command whose record cannot be written changes nothing."""
    (parked / "audit").write_text("in the way")
    failed = run(parked, "job", "unpark", ID)
    assert isinstance(failed.exception, LedgerError)
    assert "nothing was changed" in str(failed.exception)
    ledger = Ledger.open(parked / "ledger.sqlite", readonly=True, lock=False)
    job = ledger.job(ID)
    assert job is not None
    assert job.parked
    ledger.close()


def test_verify(parked: Path) -> None:
    """A whole log, then one whose end was cut off although the ledger has seen it.

    The default configuration has a data mover, whose log is checked too.
    """
    log = AuditFiles(parked / "audit", Process.DAEMON, 365)
    head = log.append([Deed(Action.JOB_CLOSED, Actor(ActorKind.PROCESS, "provd"), ID)] * 3, 1.8e9)
    ledger = Ledger.open(parked / "ledger.sqlite")
    with ledger.write():
        ledger.set(meta.AUDIT_HEAD, str(head))
    ledger.close()
    whole = run(parked, "audit", "verify")
    assert (whole.exit_code, whole.output) == (
        0,
        f"provd: 3 records from 1: whole, newest {head}\nmover: 0 records from 0: empty\n",
    )
    (path,) = (parked / "audit").glob("*.jsonl")
    os.truncate(path, path.read_text().index("\n") + 1)
    cut = run(parked, "audit", "verify")
    assert (cut.exit_code, cut.output) == (
        1,
        "provd: 1 records from 1: the log ends with record 1, but record 3 was seen: its end was cut off\n"
        "mover: 0 records from 0: empty\n",
    )


@pytest.mark.parametrize("head", ["provd=3", "nobody=3:" + "0" * 64, "x"])
def test_an_invalid_head(parked: Path, head: str) -> None:
    assert run(parked, "audit", "verify", "--head", head).exit_code == 2


def test_a_head_from_the_journal(parked: Path) -> None:
    """A record that the log does not have any more, or has otherwise."""
    found = run(parked, "audit", "verify", "--head", f"provd=7:{'0' * 64}")
    assert (found.exit_code, "record 7 was seen" in found.output) == (1, True)
