"""Makes a backup of the ledger while the daemon runs, and checks it."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.errors import LedgerError
from provider_daemon.ledger import meta
from provider_daemon.ledger.file import connect, copy


@dataclass(frozen=True, slots=True)
class Backup:
    """The contents of a backup. `height` is the block up to which intake had read the chain, or 0."""

    size: int
    jobs: int
    open_jobs: int
    height: int


def backup(path: Path, target: Path) -> Backup:
    """Raises LedgerError if the target exists, the copy fails, or the copied ledger is damaged."""
    if not path.exists():
        raise LedgerError(f"no ledger at {path}: the daemon has not run yet, or ledger.path is wrong")
    if target.exists():
        raise LedgerError(f"{target} already exists: choose another name for the copy")
    try:
        with closing(connect(path, readonly=True)) as source:
            copy(source, target)
        return _look(target)
    except sqlite3.Error as error:
        raise LedgerError(f"ledger {path} cannot be copied to {target}: {error}") from error


def _look(target: Path) -> Backup:
    with closing(connect(target, readonly=True)) as connection:
        said = [row[0] for row in connection.execute("PRAGMA integrity_check(1)")]
        if said != ["ok"]:
            target.unlink()
            raise LedgerError(
                f"the copy was damaged and removed, and the ledger may be damaged too: {said[0]}; run "
                "`provd ledger check`"
            )
        jobs, closed = connection.execute("SELECT count(*), count(closed_at) FROM jobs").fetchone()
        height = meta.read(connection, meta.CANCELS_HEIGHT) or 0
    return Backup(target.stat().st_size, jobs, jobs - closed, height)
