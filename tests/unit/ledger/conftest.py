"""A ledger of schema version 1, with jobs in every stage."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[2] / "fixtures/ledger"


def write_old_ledger(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / "version-1.sql").read_text())


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.sqlite"
    write_old_ledger(path)
    return path
