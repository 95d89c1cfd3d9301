"""The devnet's file: state, blocks and transactions in SQLite.

Each block is one commit, so that a restarted devnet resumes at the last block. One process writes to the
file; a concurrent reader (an export) sees the last complete block.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.devnet.context import Event
from provider_daemon.devnet.kv import Write
from provider_daemon.errors import ConfigError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (store TEXT, key BLOB, value BLOB, PRIMARY KEY (store, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (height INTEGER PRIMARY KEY, time INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS txs (hash TEXT, height INTEGER NOT NULL, value TEXT NOT NULL, bytes BLOB NOT NULL);
"""


@dataclass(slots=True)
class IncludedTx:
    """A transaction in its block. `time` is in nanoseconds since the epoch."""

    tx_hash: str
    tx_bytes: bytes
    height: int
    time: int
    code: int
    codespace: str
    log: str
    gas_wanted: int
    gas_used: int
    data: str
    events: list[Event] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StateSnapshot:
    """The state after a block. `time` is in nanoseconds since the epoch."""

    height: int
    time: int
    state: list[Write]


def snapshot(path: Path) -> StateSnapshot:
    """Returns the state after the last block, also while a devnet runs on the file.

    Raises ConfigError if the file contains no chain.
    """
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as db:
            db.execute("BEGIN")
            found = StateSnapshot(*_last_block(db), list(db.execute("SELECT store, key, value FROM state")))
    except sqlite3.Error as error:
        raise ConfigError([f"there is no devnet in {path.parent} that can be read: {error}"]) from error
    if not found.state:
        raise ConfigError([f"the devnet in {path.parent} has no block yet"])
    return found


class Archive:
    def __init__(self, path: str) -> None:
        """Opens the file; `path` may be ":memory:".

        Raises ConfigError if the file cannot be used or another devnet has it open.
        """
        self._lock = _lock(path)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
            self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_SCHEMA}")
        except sqlite3.Error as error:
            raise ConfigError([f"the devnet's file {path} cannot be used: {error}"]) from error

    def state(self) -> Iterator[Write]:
        yield from self._db.execute("SELECT store, key, value FROM state")

    def last_block(self) -> tuple[int, int]:
        """Returns height and time of the last block; (0, 0) before the first."""
        return _last_block(self._db)

    def txs(self) -> Iterator[IncludedTx]:
        for value, tx_bytes in self._db.execute("SELECT value, bytes FROM txs ORDER BY rowid"):
            fields = json.loads(value)
            fields["events"] = [(kind, attributes) for kind, attributes in fields["events"]]
            yield IncludedTx(tx_bytes=tx_bytes, **fields)

    def write(self, height: int, time: int, writes: Sequence[Write], txs: Sequence[IncludedTx]) -> None:
        """Writes one block in one commit."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("INSERT INTO blocks VALUES (?, ?)", (height, time))
            self._db.executemany(
                "INSERT OR REPLACE INTO state VALUES (?, ?, ?)", [write for write in writes if write[2]]
            )
            self._db.executemany(
                "DELETE FROM state WHERE store = ? AND key = ?",
                [write[:2] for write in writes if not write[2]],
            )
            self._db.executemany(
                "INSERT INTO txs VALUES (?, ?, ?, ?)",
                [(tx.tx_hash, height, _value(tx), tx.tx_bytes) for tx in txs],
            )

    def replace(self, found: StateSnapshot) -> None:
        """Replaces the state in one commit. Earlier blocks and transactions are deleted."""
        with self._db:
            self._db.execute("BEGIN")
            for emptying in ("DELETE FROM state", "DELETE FROM blocks", "DELETE FROM txs"):
                self._db.execute(emptying)
            self._db.execute("INSERT INTO blocks VALUES (?, ?)", (found.height, found.time))
            self._db.executemany("INSERT INTO state VALUES (?, ?, ?)", found.state)

    def copy(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as copied:
            self._db.backup(copied)

    def close(self) -> None:
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)


def _lock(path: str) -> int | None:
    """Returns a descriptor that holds the lock while it is open.

    It is not one of SQLite's locks, so that other processes can read.
    """
    if path == ":memory:":
        return None
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigError([f"the devnet's file {path} cannot be used: {error}"]) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConfigError([f"the devnet's file {path} is locked: a devnet runs on it"]) from error
    return descriptor


def _last_block(db: sqlite3.Connection) -> tuple[int, int]:
    row = db.execute("SELECT height, time FROM blocks ORDER BY height DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else (0, 0)


def _value(tx: IncludedTx) -> str:
    return json.dumps({name: getattr(tx, name) for name in IncludedTx.__slots__ if name != "tx_bytes"})
