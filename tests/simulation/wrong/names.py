"""Errors about the owner of a SLURM job, where a job's owner can rename it and imitate others."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from provider_daemon.job import lifecycle
from provider_daemon.job.job import Job
from provider_daemon.job.naming import public_name
from provider_daemon.job.snapshot import Sighting, Snapshot
from provider_daemon.loops import admitting
from provider_daemon.ports import Watch
from provider_daemon.slurm import ownership
from provider_daemon.slurm.accounting import AccountingRow
from provider_daemon.slurm.ownership import Sorted
from provider_daemon.slurm.parse import Queued
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.tables import Reading
from tests.simulation.wrong import Changes

SORT = ownership.sort_queue


def by_name(rows: Iterable[Queued], watch: Watch) -> Sorted:
    """Assumes that no job renames itself."""
    ours = tuple(row for row in rows if row.name in watch.names)
    return Sorted(ours, (), ())


def unrenamed(rows: Iterable[AccountingRow], watch: Watch) -> list[AccountingRow]:
    return list(rows)


async def cancel_by_name(self: Any, ours: Watch) -> None:
    """Cancels every job that has the name now."""
    found = [row.slurm_id for row in await self._queue() if row.name in ours.slurm_ids]
    if found:
        await self._scancel(found)


def by_id_alone(rows: Iterable[Queued], watch: Watch) -> Sorted:
    """Assumes that the job that has our job's id is our job."""
    owners: Mapping[str, str] = {slurm_id: name for name, slurm_id in watch.slurm_ids.items()}
    return SORT([replace(row, name=owners.get(row.slurm_id, row.name)) for row in rows], watch)


def live_first(job: Job, snapshot: Snapshot) -> Sighting | None:
    """Assumes that the live job under the name is ours, whoever submitted it first."""
    sightings = snapshot.of(job.name)
    if job.slurm_id:
        return next((seen for seen in sightings if seen.slurm_id == job.slurm_id), None)
    live = [seen for seen in sightings if not seen.final]
    return next(iter(reversed(live or list(sightings))), None)


async def no_script(self: Any, row: Queued) -> str:
    return ""


async def not_searched(self: Any, lost: frozenset[str], watch: Watch) -> tuple[Reading[AccountingRow], str]:
    return Reading(()), ""


NAMES: dict[str, Changes] = {
    "the name comes from public data": ((admitting, "job_name", lambda signer, spec: public_name(spec)),),
    "followed by name alone": ((ownership, "sort_queue", by_name), (ownership, "own_records", unrenamed)),
    "records are followed by name alone": ((ownership, "own_records", unrenamed),),
    "cancelled by name": ((SlurmScheduler, "cancel", cancel_by_name),),
    "followed by id alone": ((ownership, "sort_queue", by_id_alone),),
    "whatever lives under the name is ours": (
        (lifecycle, "pick", live_first),
        (lifecycle, "several", lambda job, snapshot: None),
    ),
    "the batch script is not read": ((SlurmScheduler, "_script_name", no_script),),
    "a renamed job is not searched by its directory": ((SlurmScheduler, "_renamed", not_searched),),
}
