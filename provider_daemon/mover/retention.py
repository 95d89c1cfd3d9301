"""Deletes what is not needed any more, and counts what nobody knows."""

from collections.abc import Callable

import structlog

from provider_daemon.errors import Unreadable
from provider_daemon.job.site_root import job_of
from provider_daemon.mover import paths
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.ports import Ledger, Site, remove
from provider_daemon.site_files.values import Kind
from provider_daemon.transfers.rows import JobTransfer
from provider_daemon.transfers.writer import TransferWriter

log = structlog.get_logger("provd.mover")

LISTED_AT_ONCE = 1000


class Retention:
    """Callers check that the job is closed, and that its results have expired (mover/plan.py)."""

    def __init__(self, site: Site, store: TransferWriter, now: Callable[[], float]) -> None:
        self._site = site
        self._store = store
        self._now = now

    async def unstage(self, job: JobFacts, row: JobTransfer) -> None:
        """Deletes the staging directory. Raises Unreadable for a path that is not the job's own."""
        place = paths.removable_staging(row.staging, row.name)
        if place is None:
            raise Unreadable(f"{row.staging[:200]!r} is not the staging directory of {row.name}: not deleted")
        await remove(self._site, place.root, place.path)
        self._store.set_unstaged(row.name, self._now())
        log.info("inputs_deleted", job=job.job_id, directory=str(place))

    async def delete(self, job: JobFacts, row: JobTransfer) -> None:
        """Deletes the job's directory, those of submissions that started no job, and at last its claim.

        Raises Unreadable for a path that is not the job's own.
        """
        if row.directory:
            place = paths.removable_job(row.directory, row.name)
            if place is None:
                raise Unreadable(f"{row.directory[:200]!r} is not the directory of {row.name}: not deleted")
            for path in sorted({place.path, *await self._all_of(place.root, row.name)}):
                await remove(self._site, place.root, path)
                where = f"{place.root}{path}"
                log.info("results_deleted", job=job.job_id, directory=where, expired_at=row.expires_at)
            await remove(self._site, place.root, paths.claim(row.name))
        self._store.set_deleted(row.name, self._now())

    async def _all_of(self, root: str, name: str) -> list[str]:
        """Returns the directories that were made for submissions of the job."""
        page = await self._site.list(root, after=f"{name}.", limit=LISTED_AT_ONCE)
        return [entry.path for entry in page.entries if paths.removable_job(f"{root}{entry.path}", name)]


async def count_orphans(site: Site, ledger: Ledger, work_root: str) -> int:
    """Returns how many directories have the name of a job that the ledger does not know.

    They are never deleted: they may belong to another ledger, or to one that was lost.
    """
    root, after, orphans = f"{work_root.rstrip('/')}/", "", 0
    while True:
        page = await site.list(root, after=after, limit=LISTED_AT_ONCE)
        found = [
            name
            for entry in page.entries
            if entry.kind is Kind.DIRECTORY and (name := job_of(entry.path)).startswith("ve-")
        ]
        known = ledger.known_names(found) if found else set()
        orphans += sum(name not in known for name in found)
        if not page.more or not page.entries:
            return orphans
        after = page.entries[-1].path
