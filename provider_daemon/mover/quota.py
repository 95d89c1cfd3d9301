"""Measures the directories of running jobs, one after the other."""

from collections.abc import Callable, Iterable, Mapping

import structlog

from provider_daemon.config.model import ClusterDataConfig
from provider_daemon.mover import storage
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.ports import Site
from provider_daemon.site_files.values import NotAllowed, NotThere
from provider_daemon.transfers.writer import TransferWriter

log = structlog.get_logger("provd.mover")


class Quota:
    def __init__(
        self, site: Site, store: TransferWriter, limits: ClusterDataConfig, now: Callable[[], float]
    ) -> None:
        self._site = site
        self._store = store
        self._limits = limits
        self._now = now

    async def measure(self, running: Iterable[JobFacts]) -> None:
        """Samples each job's storage, and records a quota that it exceeds. Raises Transient."""
        for job in running:
            try:
                usage = await self._site.usage(job.directory)
            except (NotThere, NotAllowed) as error:
                log.warning(
                    "storage_not_measured",
                    job=job.job_id,
                    why=str(error),
                    next="the job is not ended for its quota meanwhile; it is measured again later",
                )
                continue
            row, now = self._store.job(job.name), self._now()
            if row is None or row.transfer.settled or row.transfer.results or row.results_detail:
                continue  # the job has ended meanwhile, and its last sample is taken
            over = storage.over_quota(usage.bytes, usage.inodes, self._limits)
            if over and not row.transfer.over_quota:
                log.warning(
                    "quota_exceeded",
                    job=job.job_id,
                    why=over,
                    next="the daemon cancels its SLURM job and reports the job failed",
                )
            used = storage.byte_seconds(row, usage.bytes, now, None)
            self._store.add_sample(
                job.name, usage.bytes, usage.inodes, now, byte_seconds=used, over_quota=over
            )


def to_measure(jobs: Mapping[str, JobFacts]) -> list[JobFacts]:
    """Returns the running jobs whose directory is known."""
    return [job for job in jobs.values() if job.running and job.directory]
