"""What all SQLite files need: transactions that happen wholly or not at all, and reads by another user.

`OwnedFile` is a file that one process writes and other processes read; `OwnedWriter` writes it.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ClassVar, Self, TypeVar
from urllib.parse import quote

from provider_daemon.errors import ConfigError, Transient

T = TypeVar("T")

FILE_MODE = 0o640  # other processes read an owned file by its group


class ChangedMeanwhileError(sqlite3.OperationalError):
    """A writer came back while the file was read as an unchanging one."""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Runs one transaction. Raises sqlite3.Error if the disk is full or fails; nothing is changed then."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back on its own after some failures
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """`mode`: SQLite's parameters, such as mode=rw. Transactions are explicit."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def read(path: Path, query: Callable[[sqlite3.Connection], T]) -> T:
    """Runs a short query on the file, also without the right to write in its directory.

    SQLite cannot open a file in WAL mode read-only after its last writer has closed it, because the WAL is
    gone. It is then read as an unchanging file. Raises sqlite3.Error, ChangedMeanwhileError if a writer came
    back meanwhile, and OSError.
    """
    try:
        return _run(path, "mode=ro", query)
    except sqlite3.OperationalError as error:
        if not _closed(path, error):
            raise
    before = _identity(path)
    answer = _run(path, "mode=ro&immutable=1", query)
    if _identity(path) != before:
        raise ChangedMeanwhileError("it was changed while it was read")
    return answer


def _run(path: Path, mode: str, query: Callable[[sqlite3.Connection], T]) -> T:
    with closing(connect(path, mode)) as connection:
        return query(connection)


def _closed(path: Path, error: sqlite3.OperationalError) -> bool:
    """Returns whether the error is that of a file that no process has open."""
    return error.sqlite_errorname.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")) and (
        path.exists() and not _wal(path).exists()
    )


def _identity(path: Path) -> tuple[int, int, int, bool]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, _wal(path).exists()


def _wal(path: Path) -> Path:
    return Path(f"{path}-wal")


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A kind of file that one process writes and other processes read.

    `key`: where its path is configured. `owner`: the command that writes it. `title`: what messages call it.
    `package`: the package with its schema.sql, whose version is `version`. `users`: the commands that have
    to be of one version.
    """

    key: str
    owner: str
    title: str
    package: str
    version: int
    users: str

    def lock(self, path: Path) -> int:
        """Locks `<path>.lock` until the descriptor is closed. Raises ConfigError if it is locked."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError([f"{self.key} {path}: cannot be opened: {error.strerror}"]) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ConfigError([f"{self.key} {path}: another {self.owner} uses it: stop it first"]) from None
        except OSError as error:
            os.close(lock)
            raise ConfigError(
                [f"{self.key} {path}: cannot be locked: {error.strerror}: keep it on a local disk"]
            ) from None
        return lock

    def open_for_writing(self, path: Path) -> sqlite3.Connection:
        """Opens the file, and creates it with its schema. Every commit is on disk when it returns.

        Raises ConfigError if the file is damaged or was written by a newer provd.
        """
        try:
            if not path.exists():
                _create(path)
            connection = connect(path, "mode=rw")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            version = _version(connection)
            if version == 0:
                schema = resources.files(self.package).joinpath("schema.sql").read_text()
                connection.executescript(
                    f"BEGIN IMMEDIATE;\n{schema}\nPRAGMA user_version = {self.version};\nCOMMIT;"
                )
            elif version != self.version:
                connection.close()
                raise ConfigError([f"{self.key} {path}: {self._other(version)}"])
        except (sqlite3.Error, OSError) as error:
            raise ConfigError([f"{self.key} {path}: cannot be opened: {error}"]) from None
        return connection

    def read(self, path: Path, query: Callable[[sqlite3.Connection], T]) -> T:
        """Runs a query on the file, also without the right to write in its directory.

        Raises Transient if the owner has not created the file, or if it cannot be read.
        """

        def checked(connection: sqlite3.Connection) -> T:
            version = _version(connection)
            if version != self.version:
                why = self._other(version) if version else f"{self.owner} is creating it"
                raise Transient(f"{self.title} {path} cannot be used: {why}")
            return query(connection)

        try:
            return read(path, checked)
        except ChangedMeanwhileError as error:
            raise Transient(f"{self.title} {path}: {error}; it is read again") from None
        except (sqlite3.Error, OSError) as error:
            raise self._unreadable(path, error) from None

    def _other(self, version: int) -> str:
        return (
            f"it has schema {version}, this provd uses {self.version}: run the same version of {self.users}"
        )

    def _unreadable(self, path: Path, error: Exception) -> Transient:
        if not path.exists():
            return Transient(f"{self.title} {path} does not exist: start {self.owner}, or check {self.key}")
        hint = "check that this user is in the group of the file"
        return Transient(f"{self.title} {path} cannot be read: {error}; {hint}")


class OwnedWriter:
    """The only writer of an owned file: a second `open` fails. Queries raise Transient if the disk fails.

    `FILE` says which kind of file.
    """

    FILE: ClassVar[OwnedFile]

    def __init__(self, connection: sqlite3.Connection, lock: int) -> None:
        self._db = connection
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises ConfigError if another process uses the file, or the file cannot be used."""
        lock = cls.FILE.lock(path)
        try:
            return cls(cls.FILE.open_for_writing(path), lock)
        except BaseException:
            os.close(lock)
            raise

    def close(self) -> None:
        self._db.close()
        os.close(self._lock)

    def _all(self, query: str, *values: object) -> list[sqlite3.Row]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise Transient(f"{self.FILE.title} cannot be read: {error}") from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Runs one transaction, durable at its end."""
        try:
            with transaction(self._db):
                yield
        except sqlite3.Error as error:
            raise Transient(f"{self.FILE.title} cannot be written: {error}; nothing was changed") from None


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _create(path: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, FILE_MODE)
    try:
        os.fchmod(descriptor, FILE_MODE)  # whatever the umask; SQLite gives the WAL the same mode
    finally:
        os.close(descriptor)
