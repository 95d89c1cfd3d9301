"""Errors about what is remembered: the ledger, its copies, its disk, and the clock."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from provider_daemon.clock import SystemClock
from provider_daemon.errors import LedgerError, ProvdError
from provider_daemon.job import lifecycle
from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import Action, Submit
from provider_daemon.job.snapshot import Snapshot
from provider_daemon.job.state import State
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops import advance, runner, start
from provider_daemon.loops.stale_ledger import StaleLedger
from tests.simulation import life, schedule
from tests.simulation.wrong import Changes

SINCE, DECIDE, OBSERVE = StaleLedger.stale_until, lifecycle.decide, lifecycle.observe


class NeverRaised(ProvdError):
    """In place of LedgerError: no exception is an instance of it."""


class JumpingClock(SystemClock):
    """Follows the machine's clock whenever it is set."""

    def __init__(self, wall: Any, steady: Any) -> None:
        super().__init__(wall, steady)
        self._wall = wall

    def now(self) -> float:
        return float(self._wall())


def no_doubt(self: Any, now: float) -> float:
    SINCE(self, now)
    return 0.0


def any_snapshot(job: Job, snapshot: Snapshot) -> Action:
    """Submits a job that was never tried without searching for it first."""
    never_tried = job.intent_at is None and not job.slurm_id and job.program is not None
    return Submit() if never_tried and job.state is job.reported is State.PENDING else DECIDE(job, snapshot)


def nothing_learned(job: Job, snapshot: Snapshot, now: float, latest: float) -> Job:
    unknown = job.intent_at is None and job.reported is State.PENDING
    return job if unknown else OBSERVE(job, snapshot, now, latest)


def plain_copy(source: sqlite3.Connection, target: Path) -> None:
    """A copy that includes the signs of life, so that it cannot be distinguished from the ledger."""
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(target)) as copied:
        source.backup(copied)


@contextmanager
def write_that_may_fail(self: Any) -> Iterator[None]:
    """A full disk loses the transaction without an error."""
    self._db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except sqlite3.Error:
        self._db.execute("ROLLBACK")
    except BaseException:
        self._db.execute("ROLLBACK")
        raise
    else:
        self._db.execute("COMMIT")


@contextmanager
def write_by_statement(self: Any) -> Iterator[None]:
    """No transaction around a group of statements: a kill leaves half of it."""
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerError(str(error)) from error


MEMORY: dict[str, Changes] = {
    "a lost ledger is an empty one": (
        (StaleLedger, "stale_until", no_doubt),
        (advance, "decide", any_snapshot),
        (advance, "observe", nothing_learned),
    ),
    "a new ledger is not in doubt": ((StaleLedger, "stale_until", no_doubt),),
    "a copy is taken for the ledger itself": ((schedule, "copy", plain_copy),),
    "the chain is not asked first": ((StaleLedger, "needs_resync", lambda self: False),),
    "our clock tells what is newer than a doubt": ((StaleLedger, "chain_ahead", lambda self: 0.0),),
    "a full disk is swallowed": ((Ledger, "write", write_that_may_fail),),
    "a full disk is one failed tick": ((runner, "LedgerError", NeverRaised),),
    "writes are not one transaction": ((Ledger, "write", write_by_statement),),
    "a clock that jumps is followed": ((life, "SystemClock", JumpingClock),),
    "a clock set between two starts is not noticed": ((start, "CLOCK_TOLERANCE", 1e12),),
    "quarantine is for ever": ((Ledger, "quarantined", lambda self: []),),
}
