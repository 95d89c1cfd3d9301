"""The ledger's file: its lock, its modes, its schema and how an older one is brought forward."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path

import structlog

from provider_daemon.errors import LedgerError
from provider_daemon.ledger.meta import SIGN_OF_LIFE

log = structlog.get_logger("provd.ledger")

SCHEMA_VERSION = 7


def lock_file(path: Path) -> int:
    """Holds `<path>.lock` for as long as the returned descriptor is open; raises LedgerError while another
    process does."""
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
    """A new file is readable by its owner only. Every commit is on disk when it returns."""
    if not readonly and not path.exists():
        _create(path)
    connection = sqlite3.connect(
        f"file:{path}?mode={'ro' if readonly else 'rw'}", uri=True, isolation_level=None
    )
    connection.row_factory = sqlite3.Row
    if not readonly:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """For commands that read a file of any schema. Raises LedgerError with SQLite's message where it cannot
    be read."""
    try:
        with closing(connect(path, readonly=True)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise LedgerError(str(error)) from error


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def schema_version(connection: sqlite3.Connection) -> int:
    """0 of a new file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """For who does not hold the lock, and must not change the schema under a running daemon. Raises
    LedgerError for any but ours."""
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
    """Brings a new or older file to our schema, in one transaction; of an older one a copy stays. Raises
    LedgerError for a newer one."""
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
    """(the schema version that it leads to, its script), ascending; each begins at the version before."""
    files = resources.files(__package__).joinpath("migrations").iterdir()
    return sorted((int(file.name[:4]), file.read_text()) for file in files if file.name.endswith(".sql"))


def _apply(connection: sqlite3.Connection, scripts: list[str]) -> None:
    """All or nothing, version included: executescript ends any transaction before it, so the transaction is
    in the script."""
    try:
        connection.executescript(
            "\n".join(["BEGIN IMMEDIATE;", *scripts, f"PRAGMA user_version = {SCHEMA_VERSION};", "COMMIT;"])
        )
    except sqlite3.Error:
        if connection.in_transaction:
            connection.rollback()
        raise


def copy(source: sqlite3.Connection, target: Path) -> None:
    """A consistent copy of all that is committed, but for the signs of life. It has its name only once it is
    whole.

    Raises LedgerError when there is no room or no right to write it, sqlite3.Error when the source cannot be
    read."""
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
