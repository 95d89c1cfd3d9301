"""Ledgers of older schema versions, with jobs in every stage."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from provider_daemon.ledger.file import SCHEMA_VERSION, migrations

FIXTURES = Path(__file__).parents[2] / "fixtures/ledger"


def write_old_ledger(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / "version-1.sql").read_text())


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.sqlite"
    write_old_ledger(path)
    return path


@pytest.fixture(params=range(1, SCHEMA_VERSION))
def older(request: pytest.FixtureRequest, old: Path) -> Path:
    """Of each version before ours, come to by the migrations up to it."""
    version: int = request.param
    with closing(sqlite3.connect(old)) as connection:
        for number, script in migrations():
            if number <= version:
                connection.executescript(f"{script}; PRAGMA user_version = {number};")
    return old
