"""`provd ledger repair`: repairs rows with invalid values, which block their jobs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.errors import LedgerError
from provider_daemon.job.lifecycle import look_by_name
from provider_daemon.job.parking import ParkReason
from provider_daemon.ledger import sql
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import read_jobs

_SQL = sql.load("repair.sql")


class RepairKind(StrEnum):
    CLEAR_ID = "clear_slurm_id"
    PUT_ASIDE = "put_aside"


@dataclass(frozen=True, slots=True)
class RepairStep:
    """A repair of one row. `what`: the problem of the row."""

    kind: RepairKind
    job_id: str
    what: str

    @property
    def change(self) -> str:
        """What the repair changes."""
        if self.kind is RepairKind.CLEAR_ID:
            return "clear the id; provd then searches for the SLURM job by its name during a waiting window"
        return (
            "archive the row; provd then reads the job from the chain again and searches for its SLURM "
            "job by name"
        )


def plan(ledger: Ledger) -> list[RepairStep]:
    """Returns the repairs in the order of the rows. Nothing is changed."""
    return [*_invalid_ids(ledger), *_unreadable(ledger)]


def _invalid_ids(ledger: Ledger) -> Iterator[RepairStep]:
    for row in ledger._db.execute(_SQL["open_or_parked"]):
        jobs, _ = read_jobs([row])
        for job in jobs:
            if job.parked and job.parked.reason is ParkReason.INVALID_SLURM_ID:
                yield RepairStep(RepairKind.CLEAR_ID, job.spec.job_id, job.parked.detail)


def _unreadable(ledger: Ledger) -> Iterator[RepairStep]:
    _, unreadable = read_jobs(ledger._db.execute(_SQL["all_jobs"]))
    for job_id, why in unreadable.items():
        yield RepairStep(RepairKind.PUT_ASIDE, job_id, f"its row cannot be read: {why[:200]}")


def apply(ledger: Ledger, steps: Sequence[RepairStep], now: float) -> None:
    """Applies all repairs, or none."""
    with ledger.write():
        for step in steps:
            if step.kind is RepairKind.CLEAR_ID:
                _clear_id(ledger, step, now)
            else:
                _put_aside(ledger, step, now)


def _clear_id(ledger: Ledger, step: RepairStep, now: float) -> None:
    job = ledger.job(step.job_id)
    if job is None:
        raise LedgerError(f"{step.job_id} is no longer in the ledger: run the repair again")
    ledger.save_job(look_by_name(job, now))
    ledger.add_event(step.job_id, EventKind.REPAIRED, f"{step.what}; looked for by its name", now)


def _put_aside(ledger: Ledger, step: RepairStep, now: float) -> None:
    """Drops the job: the next sweep adopts it again, and SLURM is searched for it before it is submitted."""
    ledger.drop_job(step.job_id, step.what, now)
