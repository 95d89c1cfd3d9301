"""`provd jobs` and `provd job`: the ledger as an operator reads it, also beside a running daemon."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from provider_daemon.cli.app import app
from provider_daemon.config.model import default_toml, load
from provider_daemon.config.pool_users import pool_users
from provider_daemon.errors import LedgerError, Refused
from provider_daemon.job.leases import Lease
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.state import State
from provider_daemon.ledger import leases
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx
from tests.unit.config.test_pool import POOLED
from tests.unit.job.jobs import JOB

PARKED = replace(
    JOB,
    state=State.RUNNING,
    slurm_id="77",
    parked=Parked(ParkReason.SEVERAL, "its name\nis there \x1b[2Jtwice"),
)
ID = JOB.spec.job_id


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Held open with the daemon's lock, as a running provd does."""
    opened = Ledger.open(tmp_path / "ledger.sqlite")
    with opened.write():
        opened.save_job(PARKED)
        opened.add_event(ID, EventKind.PARKED, "twice\nin squeue", 1_700_000_000)
        opened.add_message("ve1p", Message("report", ID, b"body", "running"), 1_700_000_001)
    yield opened
    opened.close()


def run(directory: Path, *arguments: str) -> Result:
    config = directory / "provd.toml"
    config.write_text(default_toml().replace("/var/lib/provd/", f"{directory}/"))
    return CliRunner().invoke(app, [*arguments, "-c", str(config)])


@pytest.mark.usefixtures("ledger")
def test_jobs_lists_one_line_a_job(tmp_path: Path) -> None:
    """State, what the chain confirmed, the SLURM job, why it is parked; no text of a job starts a line or
    moves the cursor."""
    header, line = run(tmp_path, "jobs").output.splitlines()
    assert header.split() == ["JOB", "STATE", "REPORTED", "SLURM", "ESTIMATE", "ESCROW", "BILL", "NOTE"]
    assert line.split()[:4] == [ID, "running", str(PARKED.reported), "77"]
    assert line.isprintable()
    assert "parked (several): its name" in line


@pytest.mark.usefixtures("ledger")
def test_explain_tells_the_whole_story(tmp_path: Path) -> None:
    """Where it stands, what the customer sent, each event in its order, and each report without a
    transaction, a line each."""
    result = run(tmp_path, "job", "explain", ID)
    standing, price, *story, report = result.output.splitlines()
    assert JOB.name in standing
    assert price.startswith("price: ")
    assert sorted(line[:19] for line in story) == [line[:19] for line in story]
    assert {line.split()[2] for line in story} == {"created", "parked"}
    assert "2023-11-14 22:13:20  parked             twice\\nin squeue" in story
    assert "report running" in report
    assert "not in a transaction" in report


def test_explain_names_what_a_job_of_a_pool_waits_for(tmp_path: Path) -> None:
    """A Unix user, while each one serves another customer."""
    config, ledger = tmp_path / "provd.toml", Ledger.open(tmp_path / "ledger.sqlite")
    text = POOLED.replace("[chain]", f'[ledger]\npath = "{tmp_path}/ledger.sqlite"\n\n[chain]', 1)
    config.write_text(text)
    users = pool_users(load(config).clusters[0].pool.users)  # type: ignore[union-attr]
    with ledger.write():
        ledger.save_job(JOB)
        leases.save(ledger, [Lease("HPC-1", user, f"ve1{user}", 1.0, confirmed_at=1.0) for user in users])
    ledger.close()
    result = CliRunner().invoke(app, ["job", "explain", ID, "-c", str(config)])
    assert f"none of {len(users)} is free" in result.output.splitlines()[-1]


def test_explain_names_the_transaction(ledger: Ledger, tmp_path: Path) -> None:
    """Once a report is in a transaction: its hash, sequence and timeout height, and the digest of what was
    signed."""
    with ledger.write():
        (message,) = ledger.waiting_messages("ve1p")
        ledger.add_tx(OpenTx(0, "ve1p", "AB" * 32, b"tx", 7, 40, 55, 1_700_000_002.0), [message])
    (line,) = [
        line for line in run(tmp_path, "job", "explain", ID).output.splitlines() if "tx_signed" in line
    ]
    digest = hashlib.sha256(b"body").hexdigest()[:16]
    assert line.startswith("2023-11-14 22:13:22")
    assert re.findall(r"=(\w+)", line) == [digest, "AB" * 32, "7", "40", "55"]


def test_a_job_that_is_not_there(ledger: Ledger, tmp_path: Path) -> None:
    """Neither told of nor taken up; the error says where to look."""
    ledger.close()
    for command in (("explain", "JOB-404"), ("unpark", "JOB-404"), ("end", "JOB-404", "--reason", "x")):
        error = run(tmp_path, "job", *command).exception
        assert isinstance(error, Refused)
        assert str(error) == "JOB-404 is not in the ledger; `provd jobs` lists all jobs"


def test_unpark_without_a_daemon(ledger: Ledger, tmp_path: Path) -> None:
    """The parked job is resumed; a second time there is nothing to do, and the error says so. The ledger
    remembers that its GPUs are forgone."""
    held = run(tmp_path, "job", "unpark", ID)
    assert "has no control socket" in str(held.exception)
    ledger.close()
    assert run(tmp_path, "job", "unpark", ID, "--without-gpus").exit_code == 0
    assert isinstance(run(tmp_path, "job", "unpark", ID).exception, Refused)
    with closing(Ledger.open(tmp_path / "ledger.sqlite")) as reopened:
        job = reopened.job(ID)
    assert job is not None
    assert not job.parked
    assert job.gpus_forgone


def test_a_parked_job_is_refused_without_a_daemon(ledger: Ledger, tmp_path: Path) -> None:
    """The next start reports it."""
    ledger.close()
    done = run(tmp_path, "job", "refuse", ID, "--reason", "lost")
    assert "SLURM job 77 is cancelled" in done.output
    with closing(Ledger.open(tmp_path / "ledger.sqlite")) as reopened:
        job = reopened.job(ID)
    assert job is not None
    assert (job.state, job.written_off, job.end_reason) == (State.FAILED, True, "lost")
    error = run(tmp_path, "job", "end", ID, "--reason", "x").exception
    assert isinstance(error, Refused)


def test_no_ledger_yet(tmp_path: Path) -> None:
    """Before the daemon's first start the commands say so, and make no file."""
    result = run(tmp_path, "jobs")
    assert isinstance(result.exception, LedgerError)
    assert not (tmp_path / "ledger.sqlite").exists()
