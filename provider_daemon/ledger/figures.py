"""What metrics query at each scrape: nothing that grows with all the jobs and transactions that ever were."""

import os
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """How many open jobs of a cluster have one state and one park reason, or "" for those that are not
    parked.

    Both as the row's columns have them: a damaged row must not keep the others from being counted.
    """

    cluster_id: str
    state: str
    parked: str
    jobs: int


def open_jobs(ledger: Ledger) -> list[OpenJobs]:
    return [OpenJobs(**dict(row)) for row in ledger._all("open_jobs_by_state")]


def jobs_on_hold(ledger: Ledger) -> dict[str, int]:
    """How many, by the reason (job/hold.py); open and closed ones."""
    return {row["reason"]: row["jobs"] for row in ledger._all("jobs_on_hold")}


def ended_unconfirmed(ledger: Ledger) -> list[str]:
    """Ids of jobs that have ended, and whose end the chain has not confirmed."""
    return [row["job_id"] for row in ledger._all("ended_unconfirmed")]


def fees_lately(ledger: Ledger, signer: str, since: float) -> tuple[int, float]:
    """(fees that the key paid at or after `since`, when the first of them was); (0, 0.0) for none."""
    (row,) = ledger._all("fees_lately", signer=signer, since=since)
    return row["fees"], row["since"] or 0.0


def size_bytes(path: Path) -> int:
    """The file with what is written ahead of it."""
    return sum(os.stat(part).st_size for part in (path, Path(f"{path}-wal")) if part.exists())


def free_bytes(path: Path) -> int:
    """What an ordinary user can still write to the file system that holds it."""
    room = os.statvfs(path.parent)
    return room.f_bavail * room.f_frsize
