"""The ledger's file: its lock, its modes, its schema."""

import fcntl
import os
import sqlite3
from importlib import resources
from pathlib import Path

from provider_daemon.errors import LedgerError

SCHEMA_VERSION = 1


def lock_file(path: Path) -> int:
    """Holds `<path>.lock` for as long as the returned descriptor is open; raises LedgerError while another process does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"ledger {path} cannot be opened: {error.strerror}: {error.filename}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise LedgerError(f"another provd holds the ledger {path}: stop it first") from error
    return lock


def connect(path: Path, readonly: bool) -> sqlite3.Connection:
    """A new file is readable by its owner only. Every commit is on disk when it returns."""
    if not readonly and not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(f"file:{path}?mode={'ro' if readonly else 'rw'}", uri=True, isolation_level=None)
    connection.row_factory = sqlite3.Row
    if not readonly:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


def migrate(connection: sqlite3.Connection, path: Path, readonly: bool) -> None:
    """Brings an older file to our schema in one transaction; raises LedgerError for a newer one."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise LedgerError(f"ledger {path} was written by a newer provd (schema {version}, ours {SCHEMA_VERSION}): upgrade provd")
    if version == SCHEMA_VERSION or readonly:
        return
    schema = resources.files(__package__).joinpath("schema.sql").read_text()
    connection.executescript(f"BEGIN; {schema} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
