"""`provd site leases` and `release`: what an operator sees of the pool, and how he returns a user."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from provider_daemon.cli.app import app
from provider_daemon.job.leases import Lease
from provider_daemon.ledger import leases
from provider_daemon.ledger.ledger import Ledger
from tests.unit.audit_log.recorded import records
from tests.unit.config.test_pool import POOLED

LEASE = Lease("HPC-1", "guest", "ve1a", 1_800_000_000.0, confirmed_at=1_800_000_000.0)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "provd.toml"
    ledger = tmp_path / "ledger.sqlite"
    file.write_text(POOLED.replace("[chain]", f'[ledger]\npath = "{ledger}"\n\n[chain]', 1))
    made = Ledger.open(ledger)
    with made.write():
        strange = replace(LEASE, user="provd-c002", customer="", held_by="x\x1b[2J")
        quarantined = replace(LEASE, user="provd-c001", released_at=1_800_000_001.0, free_at=1_800_086_401.0)
        leases.save(made, [LEASE, strange, quarantined, replace(LEASE, user="provd-c003", ended_at=2e9)])
    made.close()
    return file


def run(*words: str) -> str:
    found = CliRunner().invoke(app, [*words])
    assert found.exit_code == 0, found.output
    return found.output


def test_who_has_which_user(config: Path) -> None:
    """One line for each open lease, with printable text only; free ones if they are asked for."""
    lines = run("site", "leases", "-c", str(config)).splitlines()
    assert [line.split()[1:4] for line in lines[1:]] == [
        ["guest", "leased", "ve1a"],
        ["provd-c001", "quarantined", "ve1a"],
        ["provd-c002", "foreign", "unknown:"],
    ]
    assert "2027-01-15 08:00:00" in lines[1]
    assert "2027-01-16 08:00:01" in lines[2]
    assert "\x1b" not in lines[3]
    lines = run("site", "leases", "--free", "-c", str(config)).splitlines()
    assert [line.split()[1:3] for line in lines[4:]] == [["provd-c003", "free"], ["provd-c004", "free"]]


def test_a_release_is_asked_for_twice(config: Path, tmp_path: Path) -> None:
    """Without --yes nothing changes; with it the daemon returns the user, and the audit log has it."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite", lock=False)
    assert "would be released" in run("site", "release", "guest", "-c", str(config))
    assert [lease.forced for lease in leases.open_leases(ledger, "HPC-1")] == [False] * 3
    assert "as soon as ve1a has no open job" in run("site", "release", "guest", "--yes", "-c", str(config))
    assert [lease.forced for lease in leases.open_leases(ledger, "HPC-1")] == [True, False, False]
    ledger.close()
    acts = [(action, thing) for _, action, _, thing in records(tmp_path / "audit")]
    assert acts == [("user_released", "guest")]


def test_a_user_that_nobody_has(config: Path) -> None:
    """It is named, and nothing is written."""
    found = CliRunner().invoke(app, ["site", "release", "provd-c004", "--yes", "-c", str(config)])
    assert found.exit_code == 1
    assert "provd-c004 is not leased" in str(found.exception or found.output)
