"""The file of the mover's database: lock, mode, schema, and reading it as another user."""

import fcntl
import os
import sqlite3
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TypeVar

from provider_daemon import sqlite_file
from provider_daemon.errors import ConfigError, Transient

T = TypeVar("T")

SCHEMA_VERSION = 2
FILE_MODE = 0o640  # the daemon and the gateway read the file by its group


def lock_file(path: Path) -> int:
    """Locks `<path>.lock` until the descriptor is closed. Raises ConfigError if another mover has it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError([f"data.path {path}: cannot be opened: {error.strerror}"]) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise ConfigError([f"data.path {path}: another provd mover uses it: stop it first"]) from None
    except OSError as error:
        os.close(lock)
        raise ConfigError(
            [f"data.path {path}: cannot be locked: {error.strerror}: keep it on a local disk"]
        ) from None
    return lock


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Opens the file, and creates it with its schema. Every commit is on disk when it returns.

    Raises ConfigError if the file is damaged or was written by a newer provd.
    """
    try:
        if not path.exists():
            _create(path)
        connection = sqlite_file.connect(path, "mode=rw")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        version = _version(connection)
        if version == 0:
            schema = resources.files(__package__).joinpath("schema.sql").read_text()
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{schema}\nPRAGMA user_version = {SCHEMA_VERSION};\nCOMMIT;"
            )
        elif version != SCHEMA_VERSION:
            connection.close()
            raise ConfigError([f"data.path {path}: {_other(version)}"])
    except (sqlite3.Error, OSError) as error:
        raise ConfigError([f"data.path {path}: cannot be opened: {error}"]) from None
    return connection


def read(path: Path, query: Callable[[sqlite3.Connection], T]) -> T:
    """Runs a query on the file, also without the right to write in its directory.

    Raises Transient if the mover has not created the file, or if it cannot be read.
    """

    def checked(connection: sqlite3.Connection) -> T:
        version = _version(connection)
        if version != SCHEMA_VERSION:
            why = _other(version) if version else "the mover is creating it"
            raise Transient(f"the mover's database {path} cannot be used: {why}")
        return query(connection)

    try:
        return sqlite_file.read(path, checked)
    except sqlite_file.ChangedMeanwhileError as error:
        raise Transient(f"the mover's database {path}: {error}; it is read again") from None
    except (sqlite3.Error, OSError) as error:
        raise _unreadable(path, error) from None


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _other(version: int) -> str:
    return (
        f"it has schema {version}, this provd uses {SCHEMA_VERSION}: run the same version of provd mover, "
        "provd run and provd gateway"
    )


def _unreadable(path: Path, error: Exception) -> Transient:
    if not path.exists():
        return Transient(f"the mover's database {path} does not exist: start provd mover, or check data.path")
    hint = "check that this user is in the group of the file"
    return Transient(f"the mover's database {path} cannot be read: {error}; {hint}")


def _create(path: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, FILE_MODE)
    try:
        os.fchmod(descriptor, FILE_MODE)  # whatever the umask; SQLite gives the WAL the same mode
    finally:
        os.close(descriptor)
