"""The queries of the status page and its commands. Their results are bounded, whatever the number of jobs."""

import sqlite3
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from provider_daemon.job.job import Job
from provider_daemon.job.maintenance import Window
from provider_daemon.job.payment import ChainSettlement
from provider_daemon.ledger import books, customers, figures, maintenance, meta, nodes
from provider_daemon.ledger.books import Unpaid
from provider_daemon.ledger.disputes import KnownDispute, still_open
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.pause import Pause
from provider_daemon.ledger.rows import SetAside, StoredTx, Waiting, read_jobs
from provider_daemon.nodes.hold import NodeHold

NEWEST = 200  # jobs
FEW = 20  # transactions, and quarantined records
AMONG = 10_000  # newest jobs that are searched for a SLURM job id


class Show(StrEnum):
    ALL = "all"
    OPEN = "open"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class ClusterNotes:
    """What the ledger has of a served cluster. `windows`: all that are stored, also those that are over.

    `holds`: why nodes are not sold. `failed_gpus`: how many GPUs are not sold, by host.
    """

    cluster_id: str
    pause: Pause | None
    windows: tuple[Window, ...]
    holds: tuple[NodeHold, ...] = ()
    failed_gpus: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rows:
    """The status page's rows. Jobs come with their number, newest first; `parked` has older ones too.

    `booked`: what the chain recorded for those that have ended, by job id.
    """

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
    booked: Mapping[str, books.BookedJob] = field(default_factory=dict)
    clusters: tuple[ClusterNotes, ...] = ()


def read(ledger: Ledger) -> Rows:
    (count,) = ledger._all("count_jobs")
    newest = jobs(ledger)
    return Rows(
        total=count["jobs"],
        jobs=newest,
        parked=jobs(ledger, show=Show.PARKED, count=FEW),
        open_jobs=tuple(figures.open_jobs(ledger)),
        transactions=tuple(ledger.last_txs(FEW)),
        waiting=tuple(ledger.count_waiting()),
        set_aside=tuple(SetAside(**dict(row)) for row in ledger._all("set_aside", count=FEW)),
        held=customers.held(ledger),
        disputes=tuple(still_open(ledger)[:FEW]),
        unpaid=tuple(books.unpaid(ledger)),
        settlement=ledger.get(meta.SETTLEMENT),
        booked=booked(ledger, newest),
        clusters=tuple(
            ClusterNotes(
                each,
                ledger.get(meta.pause(each)),
                maintenance.windows(ledger, each, 0),
                tuple(nodes.holds(ledger, each)),
                {host: len(failed.good_since) for host, failed in ledger.get(meta.failed_gpus(each)).items()},
            )
            for each in ledger.get(meta.SERVED).split()
        ),
    )


def booked(ledger: Ledger, found: Iterable[tuple[int, Job]]) -> dict[str, books.BookedJob]:
    """Returns what the chain recorded for those of the jobs that have ended, by job id."""
    return books.of(ledger, [job.spec.job_id for _, job in found if job.closed_at is not None])


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
