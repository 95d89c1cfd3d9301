"""The queries of the status page and its commands. Their results are bounded, whatever the number of jobs."""

import sqlite3
import sys
from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.job.lifecycle import Job
from provider_daemon.job.payment import ChainSettlement
from provider_daemon.ledger import customers, figures, meta
from provider_daemon.ledger.books import Unpaid, unpaid
from provider_daemon.ledger.disputes import KnownDispute, still_open
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import SetAside, StoredTx, Waiting, read_jobs

NEWEST = 200  # jobs
FEW = 20  # transactions, and quarantined records
AMONG = 10_000  # newest jobs that are searched for a SLURM job id


class Show(StrEnum):
    ALL = "all"
    OPEN = "open"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Rows:
    """The status page's rows. Jobs come with their number, newest first; `parked` has older ones too."""

    total: int
    jobs: tuple[tuple[int, Job], ...]
    parked: tuple[tuple[int, Job], ...]
    open_jobs: tuple[figures.OpenJobs, ...]
    transactions: tuple[StoredTx, ...]
    waiting: tuple[Waiting, ...]
    set_aside: tuple[SetAside, ...]
    held: tuple[customers.HeldCustomer, ...] = ()
    disputes: tuple[KnownDispute, ...] = ()
    unpaid: tuple[Unpaid, ...] = ()
    settlement: ChainSettlement = ChainSettlement.UNKNOWN


def read(ledger: Ledger) -> Rows:
    (count,) = ledger._all("count_jobs")
    return Rows(
        total=count["jobs"],
        jobs=jobs(ledger),
        parked=jobs(ledger, show=Show.PARKED, count=FEW),
        open_jobs=tuple(figures.open_jobs(ledger)),
        transactions=tuple(ledger.last_txs(FEW)),
        waiting=tuple(ledger.count_waiting()),
        set_aside=tuple(SetAside(**dict(row)) for row in ledger._all("set_aside", count=FEW)),
        held=customers.held(ledger),
        disputes=tuple(still_open(ledger)[:FEW]),
        unpaid=tuple(unpaid(ledger)),
        settlement=ledger.get(meta.SETTLEMENT),
    )


def jobs(
    ledger: Ledger, *, show: Show = Show.ALL, before: int = sys.maxsize, count: int = NEWEST
) -> tuple[tuple[int, Job], ...]:
    """Returns the newest jobs whose number is less than `before`, newest first."""
    query = {Show.ALL: "newest", Show.OPEN: "newest_open", Show.PARKED: "newest_parked"}[show]
    return _numbered(ledger._all(query, before=before, count=count))


def find(
    ledger: Ledger, match: str, *, before: int = sys.maxsize, count: int = NEWEST
) -> tuple[tuple[int, Job], ...]:
    """Finds jobs by id (JOB-7, or 7), SLURM job name or SLURM job id. An id can match two jobs."""
    return _numbered(ledger._all("found", match=match, before=before, count=count, among=AMONG))


def _numbered(rows: list[sqlite3.Row]) -> tuple[tuple[int, Job], ...]:
    return tuple((row["number"], job) for row in rows for job in read_jobs([row])[0])
