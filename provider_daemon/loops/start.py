"""What every start does before the first tick: waiting periods restart if the clock was set since."""

from collections.abc import Iterable

import structlog

from provider_daemon.job.lifecycle import restart_waits
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger

log = structlog.get_logger("provd.start")

# seconds: reading two clocks takes a moment, and a clock that is slewed drifts; far inside the windows' own
# room
CLOCK_TOLERANCE = 2


def start(ledger: Ledger, cluster_ids: Iterable[str], booted_at: float, now: float) -> None:
    """Both times in seconds since the epoch; `booted_at` as the clock tells it (clock.SystemClock)."""
    before = ledger.get(meta.BOOTED_AT)
    with ledger.write():
        ledger.set(meta.BOOTED_AT, booted_at)
        if before is None or abs(before - booted_at) <= CLOCK_TOLERANCE:
            return
        ledger.set(meta.SWEPT_AT, 0)
        for cluster_id in cluster_ids:
            for job in ledger.open_jobs(cluster_id):
                ledger.save_job(restart_waits(job, now))
    log.warning("clock_changed", seconds=round(booted_at - before), next="all waiting periods restart now")
