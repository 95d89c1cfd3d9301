"""What all SQLite files need: transactions that happen wholly or not at all, and reads by another user."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

T = TypeVar("T")


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
