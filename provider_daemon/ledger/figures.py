"""The queries of each metrics scrape. Their cost does not grow with all jobs ever stored."""

import os
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """The number of open jobs of a cluster with one state and one park reason, "" for not parked.

    Both values come from the row's columns, so that a damaged row does not prevent counting the others.
    """

    cluster_id: str
    state: str
    parked: str
    jobs: int


def open_jobs(ledger: Ledger) -> list[OpenJobs]:
    return [OpenJobs(**dict(row)) for row in ledger._all("open_jobs_by_state")]


def jobs_on_hold(ledger: Ledger) -> dict[str, int]:
    """Returns the number of jobs on hold, open and closed, by reason (job/hold.py)."""
    return {row["reason"]: row["jobs"] for row in ledger._all("jobs_on_hold")}


def ended_unconfirmed(ledger: Ledger) -> list[str]:
    """Returns the ids of ended jobs whose end the chain has not confirmed."""
    return [row["job_id"] for row in ledger._all("ended_unconfirmed")]


def fees_lately(ledger: Ledger, signer: str, since: float) -> tuple[int, float]:
    """Returns (fees that the key paid since `since`, the time of the first of them); (0, 0.0) for none."""
    (row,) = ledger._all("fees_lately", signer=signer, since=since)
    return row["fees"], row["since"] or 0.0


def size_bytes(path: Path) -> int:
    """Returns the size of the ledger's file and its write-ahead log."""
    return sum(os.stat(part).st_size for part in (path, Path(f"{path}-wal")) if part.exists())


def free_bytes(path: Path) -> int:
    """Returns the bytes that an ordinary user can still write to the ledger's file system."""
    room = os.statvfs(path.parent)
    return room.f_bavail * room.f_frsize
