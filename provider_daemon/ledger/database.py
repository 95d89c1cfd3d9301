"""The ledger's connection: opening, transactions, queries and `meta` values."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Self

from provider_daemon import sqlite_file
from provider_daemon.errors import LedgerError
from provider_daemon.ledger import meta, sql
from provider_daemon.ledger.file import check_version, connect, lock_file, migrate
from provider_daemon.ledger.meta import Key, T

_FILES = (
    "queries.sql",
    "figures.sql",
    "listing.sql",
    "customers.sql",
    "disputes.sql",
    "books.sql",
    "nodes.sql",
)
_QUERIES = {name: query for file in _FILES for name, query in sql.load(file).items()}


class Database:
    """A connection to the ledger. The daemon holds the lock; commands read, or write one row, without it."""

    def __init__(self, connection: sqlite3.Connection, lock: int | None) -> None:
        self._db = connection
        self._lock = lock

    @classmethod
    def open(cls, path: Path, *, readonly: bool = False, lock: bool = True) -> Self:
        """Opens the ledger.

        Raises LedgerError if another daemon holds the lock, the file is damaged, or its schema is newer than
        ours; without the lock, if its schema is not ours.
        """
        if not (lock or path.exists()):
            raise LedgerError(f"no ledger at {path}: the daemon has not run yet, or ledger.path is wrong")
        held = lock_file(path) if lock else None
        try:
            connection = connect(path, readonly)
            if lock:
                migrate(connection, path)
            else:
                check_version(connection, path)
        except sqlite3.Error as error:
            raise LedgerError(f"ledger {path} cannot be opened: {error}; {_next_step(path)}") from error
        return cls(connection, held)

    def close(self) -> None:
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def write(self) -> Iterator[None]:
        """Runs one transaction. If the disk is full or fails, raises LedgerError and changes nothing."""
        try:
            with sqlite_file.transaction(self._db):
                yield
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger cannot be written: {error}; nothing was changed") from error

    def get(self, key: Key[T]) -> T:
        row = self._one("get_meta", key=key.name)
        return key.load(row["value"]) if row else key.default

    def set(self, key: Key[T], value: T) -> None:
        self._run("set_meta", key=key.name, value=key.dump(value))

    def claim(self, chain_id: str) -> None:
        """Assigns the ledger to the chain. Raises LedgerError if the ledger belongs to another one."""
        owner = self.get(meta.CHAIN_ID)
        if owner not in ("", chain_id):
            hint = "give each chain its own ledger"
            raise LedgerError(
                f"the ledger belongs to chain {owner!r}, the configuration has chain.id {chain_id!r}: {hint}"
            )
        with self.write():
            self.set(meta.CHAIN_ID, chain_id)
            if not self.id:
                self.set(meta.LEDGER_ID, token_hex(16))

    @property
    def id(self) -> str:
        """A random id that never changes; "" before the ledger is first used."""
        return self.get(meta.LEDGER_ID)

    def _run(self, query: str, **values: object) -> sqlite3.Cursor:
        return self._db.execute(_QUERIES[query], values)

    def _one(self, query: str, **values: object) -> sqlite3.Row | None:
        return next(iter(self._all(query, **values)), None)

    def _all(self, query: str, **values: object) -> list[sqlite3.Row]:
        """Returns the rows. Raises LedgerError if the file is damaged or cannot be read."""
        try:
            return self._run(query, **values).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger cannot be read: {error}; run `provd ledger check`") from error


def _next_step(path: Path) -> str:
    ours = os.access(path, os.R_OK | os.W_OK)
    return "`provd ledger check` says more" if ours else "run this as provd's user or as root"
