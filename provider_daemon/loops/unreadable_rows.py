"""Handles invalid rows of the ledger: each affects only its own job, and is logged once."""

from dataclasses import replace

import structlog

from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.job_log import record_changes

log = structlog.get_logger("provd.advance")

NEXT = "this job is not processed, other jobs continue; run `provd ledger repair`"


class UnreadableRows:
    """The invalid rows of one cluster."""

    def __init__(self, ledger: Ledger, cluster_id: str, cluster: str) -> None:
        self._ledger = ledger
        self._cluster_id = cluster_id
        self._cluster = cluster
        self._named: set[str] = set()

    def park(self, now: float) -> None:
        """Parks jobs with an invalid SLURM id, which an older version stored from other programs' output."""
        jobs = self._ledger.jobs_with_invalid_id(self._cluster_id)
        if not jobs:
            return
        with self._ledger.write():
            for job in jobs:
                self._ledger.save_job(job)
                record_changes(self._ledger, self._cluster, replace(job, parked=None), job, now)

    def name(self) -> None:
        """Logs the rows that the last open_jobs could not read."""
        unreadable = self._ledger.unreadable.get(self._cluster_id, {})
        for job_id in unreadable.keys() - self._named:
            log.error(
                "ledger_row_unreadable", job=job_id, cluster=self._cluster, why=unreadable[job_id], next=NEXT
            )
        self._named = set(unreadable)
