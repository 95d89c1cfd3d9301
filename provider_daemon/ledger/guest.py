"""Reads of the ledger by another process and user, such as the gateway. Nothing is ever written."""

import json
import sqlite3
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from provider_daemon import sqlite_file
from provider_daemon.errors import LedgerError, Transient
from provider_daemon.job.job import Job
from provider_daemon.ledger import meta, nodes, sql
from provider_daemon.ledger.disputes import KnownDispute, known
from provider_daemon.ledger.file import check_version
from provider_daemon.ledger.rows import read_jobs
from provider_daemon.nodes.allowed import NodeDirectory

_FILES = ("queries.sql", "listing.sql", "disputes.sql", "nodes.sql")
_QUERIES = {name: query for file in _FILES for name, query in sql.load(file).items()}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CustomerJobs:
    """Jobs with their numbers, newest first. `unreadable`: ids of rows that cannot be read."""

    jobs: tuple[tuple[int, Job], ...]
    unreadable: tuple[str, ...]
    more: bool


class LedgerGuest:
    """Each method opens the file for one read, so that a daemon that starts or stops does not matter.

    Each raises Transient if the ledger cannot be read now: no daemon has run yet, an upgrade is under way, or
    this user has no read permission.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def job(self, job_id: str) -> Job | None:
        """Returns the job; None also if its row cannot be read."""
        found = self._read(lambda db: db.execute(_QUERIES["get_job"], {"job_id": job_id}).fetchall())
        return next(iter(read_jobs(found)[0]), None)

    def open_values(self, cluster_id: str, each: Callable[[str, str], T]) -> list[T]:
        """Returns what `each` makes of the id and the stored text of each open job.

        One text at a time is in memory. `rows.job_from_value` reads it.
        """
        key = {"cluster_id": cluster_id}
        return self._read(
            lambda db: [each(row["job_id"], row["value"]) for row in db.execute(_QUERIES["open_jobs"], key)]
        )

    def jobs(self, job_ids: Iterable[str]) -> list[Job]:
        """Returns those of the jobs that the ledger has; without those whose rows cannot be read."""
        return self._jobs("jobs_by_id", ids=json.dumps([*job_ids]))

    def closed_since(self, cluster_id: str, since: float, after: str, count: int) -> list[Job]:
        """Returns the next `count` jobs that were closed, by time and job id, after `since` and `after`."""
        return self._jobs("closed_since", cluster_id=cluster_id, since=since, after=after, count=count)

    def known_names(self, names: Iterable[str]) -> set[str]:
        """Returns which of the names are SLURM names of jobs in the ledger."""
        values = {"names": json.dumps([*names])}
        found = self._read(lambda db: db.execute(_QUERIES["known_names"], values).fetchall())
        return {row["name"] for row in found}

    def jobs_of(self, customer: str, *, before: int = sys.maxsize, count: int) -> CustomerJobs:
        """Returns the customer's newest jobs whose number is less than `before`."""
        values = {"customer": customer, "before": before, "count": count + 1}
        rows = self._read(lambda db: db.execute(_QUERIES["of_customer"], values).fetchall())
        shown = rows[:count]
        jobs, unreadable = [], []
        for row in shown:
            readable, _ = read_jobs([row])
            jobs += [(row["number"], job) for job in readable]
            unreadable += [] if readable else [row["job_id"]]
        return CustomerJobs(tuple(jobs), tuple(unreadable), len(rows) > count)

    def final_report(self, job_id: str) -> str:
        """Returns the hash of the transaction with the job's final report; "" while there is none."""
        found = self._read(lambda db: db.execute(_QUERIES["final_tx"], {"subject": job_id}).fetchone())
        return str(found["tx_hash"]) if found else ""

    def disputes_of(self, job_id: str) -> list[KnownDispute]:
        """Returns the disputes about a job, oldest first."""
        key = {"job_id": job_id}
        return [
            known(row)
            for row in self._read(lambda db: db.execute(_QUERIES["disputes_of_job"], key).fetchall())
        ]

    def evidence_of(self, dispute_id: str) -> bytes | None:
        """Returns the signed evidence of our answer to a dispute, None without one."""
        key = {"dispute_id": dispute_id}
        found = self._read(lambda db: db.execute(_QUERIES["dispute_answer"], key).fetchone())
        return bytes(found["answer"]) if found else None

    def customer_of(self, cluster_id: str, user: str) -> str:
        """Returns the customer whom a Unix user of the pool serves, "" if none."""
        key = {"cluster_id": cluster_id, "user": user}
        found = self._read(lambda db: db.execute(_QUERIES["customer_of"], key).fetchone())
        return str(found["customer"]) if found else ""

    def leased_users(self, cluster_id: str) -> list[str]:
        """Returns the Unix users of the pool that serve customers, by name."""
        key = {"cluster_id": cluster_id}
        found = self._read(lambda db: db.execute(_QUERIES["leased_users"], key).fetchall())
        return [row["user"] for row in found]

    def catalogue(self, cluster_id: str) -> str:
        """Returns the signed catalogue of a cluster as JSON, "" before there is one."""
        return self._read(lambda db: meta.read(db, meta.catalogue(cluster_id)))

    def node_directory(self, now: float) -> NodeDirectory:
        """Returns the nodes that operators allow, and the open commands whose deadline is after `now`."""

        def query(db: sqlite3.Connection) -> NodeDirectory:
            db.execute("BEGIN")
            commands = db.execute(_QUERIES["commands_in_time"], {"now": now})
            return nodes.directory(db.execute(_QUERIES["all_allowed_nodes"]), commands)

        return self._read(query)

    def _jobs(self, query: str, **values: object) -> list[Job]:
        return read_jobs(self._read(lambda db: db.execute(_QUERIES[query], values).fetchall()))[0]

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        def checked(connection: sqlite3.Connection) -> T:
            check_version(connection, self._path)
            return query(connection)

        try:
            return sqlite_file.read(self._path, checked)
        except (sqlite3.Error, OSError, LedgerError) as error:
            raise Transient(f"the ledger {self._path} cannot be read: {error}") from error
