"""The ledger's file: lock, mode, schema and migrations."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path

import structlog

from provider_daemon import sqlite_file
from provider_daemon.errors import LedgerError
from provider_daemon.ledger.meta import SIGN_OF_LIFE

log = structlog.get_logger("provd.ledger")

SCHEMA_VERSION = 16
MODE = 0o640  # of the ledger: its group can read it, as the gateway does; copies are their owner's alone


def lock_file(path: Path) -> int:
    """Locks `<path>.lock` until the descriptor is closed; raises LedgerError if another process has it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"ledger {path} cannot be opened: {error.strerror}: {error.filename}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise LedgerError(f"another provd process uses the ledger {path}: stop it first") from error
    except OSError as error:
        os.close(lock)
        raise LedgerError(
            f"ledger {path} cannot be locked: {error.strerror}: keep it on a local disk"
        ) from error
    return lock


def connect(path: Path, readonly: bool) -> sqlite3.Connection:
    """Connects to the file. Every commit is on disk when it returns.

    Its owner writes it and its group reads it, including files that an older provd made.
    """
    if not readonly:
        _share(path)
    connection = sqlite_file.connect(path, f"mode={'ro' if readonly else 'rw'}")
    if not readonly:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Opens a file of any schema for reading. Raises LedgerError with SQLite's message if that fails."""
    try:
        with closing(connect(path, readonly=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise LedgerError(str(error)) from error


def _share(path: Path) -> None:
    """Creates the file if it is missing. SQLite gives its -wal and -shm files the mode of the database."""
    if not path.exists():
        _create(path, MODE)
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            file.chmod(MODE)


def _create(path: Path, mode: int = 0o600) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, mode))


def schema_version(connection: sqlite3.Connection) -> int:
    """Returns the schema version; 0 for a new file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raises LedgerError unless the schema is ours, without a migration under a running daemon."""
    version = schema_version(connection)
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"ledger {path} was written by a newer provd (schema {version}, this provd uses "
            f"{SCHEMA_VERSION}): upgrade provd"
        )
    if version < SCHEMA_VERSION:
        raise LedgerError(
            f"ledger {path} is from an older provd (schema {version}, this provd uses "
            f"{SCHEMA_VERSION}): start the daemon to migrate it"
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Migrates a new or older file to our schema in one transaction, and keeps a copy of an older one.

    Raises LedgerError if the schema is newer.
    """
    version = schema_version(connection)
    if version == 0:
        _apply(connection, [resources.files(__package__).joinpath("schema.sql").read_text()])
    elif version < SCHEMA_VERSION:
        kept = Path(f"{path}.v{version}.bak")
        copy(connection, kept)
        _apply(connection, [script for number, script in migrations() if number > version])
        log.info("ledger_migrated", ledger=str(path), schema=SCHEMA_VERSION, before=version, kept=str(kept))
    check_version(connection, path)


def migrations() -> list[tuple[int, str]]:
    """Returns (the schema version after it, its script) of each migration, in ascending order."""
    files = resources.files(__package__).joinpath("migrations").iterdir()
    return sorted((int(file.name[:4]), file.read_text()) for file in files if file.name.endswith(".sql"))


def _apply(connection: sqlite3.Connection, scripts: list[str]) -> None:
    """Applies all scripts or none. The transaction is in the script: executescript commits before it."""
    try:
        connection.executescript(
            "\n".join(["BEGIN IMMEDIATE;", *scripts, f"PRAGMA user_version = {SCHEMA_VERSION};", "COMMIT;"])
        )
    except sqlite3.Error:
        if connection.in_transaction:
            connection.rollback()
        raise


def copy(source: sqlite3.Connection, target: Path) -> None:
    """Copies all committed data except the signs of life. The target appears only when it is complete.

    Raises LedgerError if the target cannot be written, sqlite3.Error if the source cannot be read.
    """
    part = Path(f"{target}.part")
    try:
        part.unlink(missing_ok=True)
        _create(part)
        _fill(source, part)
        part.replace(target)
    except OSError as error:
        raise LedgerError(f"cannot copy the ledger to {target}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _fill(source: sqlite3.Connection, part: Path) -> None:
    with closing(sqlite3.connect(part)) as connection:
        source.backup(connection)
        connection.execute("DELETE FROM meta WHERE substr(key, 1, ?) = ?", (len(SIGN_OF_LIFE), SIGN_OF_LIFE))
        connection.commit()
