"""Holds back submissions that would run into a maintenance window."""

import structlog

from provider_daemon.job.job import Job
from provider_daemon.job.maintenance import Window, in_the_way
from provider_daemon.ledger import maintenance
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger

log = structlog.get_logger("provd.advance")


class MaintenanceHold:
    """The windows of one cluster. `begin` starts a tick, `holds` is called for each job to be submitted."""

    def __init__(self, ledger: Ledger, cluster_id: str) -> None:
        self._ledger = ledger
        self._cluster_id = cluster_id
        self._now = 0.0
        self._windows: tuple[Window, ...] = ()
        self._held: dict[str, Window] = {}  # job id -> the window that it waits for
        self._noted: dict[str, Window] = {}  # the same when it was last written

    def begin(self, now: float) -> None:
        self._now, self._held = now, {}
        self._windows = maintenance.windows(self._ledger, self._cluster_id, now)

    def holds(self, job: Job) -> bool:
        """Returns whether the job would run into a window if it were submitted now."""
        window = in_the_way(self._windows, job.spec.resources.nodes, job.wall_seconds, self._now)
        if window is not None:
            self._held[job.spec.job_id] = window
        return window is not None

    def write(self, now: float) -> None:
        """Adds to the timeline of each job why it began to wait. Call inside `ledger.write()`."""
        for job_id, window in self._held.items():
            before = self._noted.get(job_id)
            if before is None or str(before) != str(window):
                self._ledger.add_event(job_id, EventKind.MAINTENANCE, f"held until its end: {window}", now)
                log.info("job_held_for_maintenance", job=job_id, until=window.ends_at, window=str(window))
        self._noted = self._held
