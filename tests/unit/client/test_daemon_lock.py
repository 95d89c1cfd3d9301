"""Whether a daemon runs here, seen from outside."""

import os
from pathlib import Path

import pytest

from provider_daemon.client import daemon_lock
from provider_daemon.config.model import default_toml
from provider_daemon.ledger.ledger import Ledger


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "provd.toml"
    path.write_text(default_toml().replace("/var/lib/provd", str(tmp_path)))
    return path


def test_none_without_a_configuration_or_a_lock(tmp_path: Path, config: Path) -> None:
    """Looking makes no file."""
    assert daemon_lock.find(tmp_path / "missing.toml") is None
    assert daemon_lock.find(config) is None
    assert [path.name for path in tmp_path.iterdir()] == ["provd.toml"]


def test_while_the_ledger_is_held(tmp_path: Path, config: Path) -> None:
    """And no longer."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    found = daemon_lock.find(config)
    assert found is not None
    assert found.ledger == f"{tmp_path}/ledger.sqlite"
    ledger.close()
    assert daemon_lock.find(config) is None
    Ledger.open(tmp_path / "ledger.sqlite").close()


def test_what_cannot_be_told(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock file that may not be opened, or a configuration with mistakes: said, not taken for none."""

    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    found = daemon_lock.find(config)
    assert found is not None
    assert found.why_unknown == f"{tmp_path}/ledger.sqlite.lock: Permission denied"
    monkeypatch.undo()
    config.write_text("[chain]")
    found = daemon_lock.find(config)
    assert found is not None
    assert "chain.id" in found.why_unknown
