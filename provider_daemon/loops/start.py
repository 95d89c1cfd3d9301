"""Restarts all waiting periods at a start if the clock was set since the last start."""

from collections.abc import Iterable

import structlog

from provider_daemon.job.leases import restart_waits as restart_lease_waits
from provider_daemon.job.lifecycle import restart_waits
from provider_daemon.ledger import leases as stored
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger

log = structlog.get_logger("provd.start")

# seconds, far below any waiting period: two clocks are not read at once, and a slewed clock drifts
CLOCK_TOLERANCE = 2


def start(ledger: Ledger, cluster_ids: Iterable[str], booted_at: float, now: float) -> None:
    """Compares the boot times. Both times are in seconds since the epoch (see clock.SystemClock)."""
    before = ledger.get(meta.BOOTED_AT)
    with ledger.write():
        ledger.set(meta.BOOTED_AT, booted_at)
        if before is None or abs(before - booted_at) <= CLOCK_TOLERANCE:
            return
        ledger.set(meta.SWEPT_AT, 0)
        for cluster_id in cluster_ids:
            for job in ledger.open_jobs(cluster_id):
                ledger.save_job(restart_waits(job, now))
            leases = stored.open_leases(ledger, cluster_id)
            stored.save(ledger, [restart_lease_waits(lease, now) for lease in leases])
    log.warning("clock_changed", seconds=round(booted_at - before), next="all waiting periods restart now")
