"""`provd dispute list` and `show`, and the line of `provd job explain`."""

import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from provider_daemon.books.bundle import Answer, build
from provider_daemon.cli.app import app
from provider_daemon.config.model import default_toml
from provider_daemon.errors import ConfigError, Refused
from provider_daemon.ledger import disputes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Dispute, DisputeStatus
from tests.fakes.chain import PROVIDER
from tests.unit.job.jobs import JOB

OPEN = Dispute(
    "hpc-dispute-2",
    "JOB-1",
    DisputeStatus.PENDING,
    1_770_000_000,
    disputer="ve1customer",
    kind="usage",
    reason="two GPUs\nwere dead",
)
DECIDED = Dispute("hpc-dispute-4", "JOB-1", DisputeStatus.REJECTED, 1_770_000_100, resolution="no")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A site whose only job is disputed twice."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with ledger.write():
        ledger.save_job(JOB)
        disputes.save(ledger, OPEN, "HPC-1")
        disputes.save(ledger, DECIDED, "HPC-1")
    ledger.close()
    file = tmp_path / "provd.toml"
    file.write_text(default_toml().replace("/var/lib/provd", str(tmp_path)))
    return file


def provd(config: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "-c", str(config)])


def test_list(config: Path) -> None:
    """Open ones only, unless all are asked for; a party's text cannot start a line."""
    lines = provd(config, "dispute", "list").stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["hpc-dispute-2", "JOB-1", "pending"]]
    assert lines[1].endswith(r"no        two GPUs\nwere dead")
    found = json.loads(provd(config, "dispute", "list", "--all", "-o", "json").stdout)
    assert [row["dispute_id"] for row in found] == ["hpc-dispute-2", "hpc-dispute-4"]


def test_show(config: Path) -> None:
    """An open dispute has the time by which it is decided, seven days later; a decided one has none."""
    shown = json.loads(provd(config, "dispute", "show", "hpc-dispute-2", "-o", "json").stdout)
    assert (shown["opened_at"], shown["decided_by"]) == ("2026-02-02 02:40:00", "2026-02-09 02:40:00")
    assert "resolution   no" in provd(config, "dispute", "show", "hpc-dispute-4").stdout
    unknown = provd(config, "dispute", "show", "hpc-dispute-6")
    assert isinstance(unknown.exception, Refused)


def test_job_explain(config: Path) -> None:
    """The disputes about a job stand above its timeline."""
    lines = provd(config, "job", "explain", "JOB-1").stdout.splitlines()
    assert lines[1] == r"pending dispute hpc-dispute-2 by ve1customer, not answered: two GPUs\nwere dead"
    assert lines[2].startswith("rejected dispute hpc-dispute-4")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The evidence of an answer."""
    facts = Answer("test-1", "hpc-dispute-2", "JOB-1", PROVIDER.address, "ve1customer", 5, "it was in use")
    path = tmp_path / "answer.zip"
    path.write_bytes(build(facts, {"reports.json": b"[]"}, PROVIDER)[0])
    return path


def test_verify(archive: Path) -> None:
    """It needs neither configuration nor chain; a changed file is named, and another file refused."""
    good = CliRunner().invoke(app, ["dispute", "verify", str(archive), "-o", "json"])
    shown = json.loads(good.stdout)
    assert (good.exit_code, shown["provider"], shown["files"]) == (0, PROVIDER.address, 1)
    data = archive.read_bytes()
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("more.txt", "x")
    bad = CliRunner().invoke(app, ["dispute", "verify", str(archive)])
    assert (bad.exit_code, "more.txt: not in the manifest" in bad.stdout) == (1, True)
    archive.write_bytes(data[:100])
    assert isinstance(CliRunner().invoke(app, ["dispute", "verify", str(archive)]).exception, ConfigError)


def test_evidence_is_written_again(config: Path, archive: Path, tmp_path: Path) -> None:
    """What the ledger holds; a dispute without an answer has none."""
    target = tmp_path / "again.zip"
    missing = provd(config, "dispute", "evidence", "hpc-dispute-2", "--to", str(target))
    assert isinstance(missing.exception, Refused)
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with ledger.write():
        disputes.answer(ledger, "hpc-dispute-2", archive.read_bytes(), "ab" * 32, 9.0)
    ledger.close()
    assert provd(config, "dispute", "evidence", "hpc-dispute-2", "--to", str(target)).exit_code == 0
    assert target.read_bytes() == archive.read_bytes()
