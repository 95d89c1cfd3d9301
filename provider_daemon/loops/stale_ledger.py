"""Whether the ledger may be behind what was done: a new one, and one put back from a copy, know less than
SLURM and the chain."""

import math

import structlog

from provider_daemon.job.lifecycle import WAITING_WINDOW
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger

log = structlog.get_logger("provd.advance")

SIGN_SECONDS = 10  # between two signs of life
# a ledger whose last sign of life is older may be a copy, and what was done since may be missing from it
GAP_SECONDS = 30


class StaleLedger:
    """Of one cluster. The daemon leaves a sign of life in its ledger every few seconds, and looks for it
    once, when it starts."""

    def __init__(self, ledger: Ledger, cluster_id: str) -> None:
        self._ledger = ledger
        self._cluster_id = cluster_id
        self._alive, self._stale_ledger = meta.sign_of_life(cluster_id), meta.doubt(cluster_id)
        self._signed_at: float | None = None
        self._since = 0.0

    def stale_until(self, now: float) -> float:
        """Until when jobs may have been submitted that this ledger knows nothing of; seconds since the epoch.
        Leaves the sign of life."""
        if self._signed_at is None:
            self._since = self._first_look(now)
        if self._signed_at is None or abs(now - self._signed_at) >= SIGN_SECONDS:
            with self._ledger.write():
                self._ledger.set(self._alive, now)
                self._ledger.set(self._stale_ledger, self._since)
            self._signed_at = now
        return self._since

    def needs_resync(self) -> bool:
        """The chain may have said since what becomes of our jobs, and was not asked again yet."""
        return self._ledger.get(meta.SWEPT_AT) < self._since

    def chain_ahead(self) -> float:
        """Seconds by which the chain's clock was ahead of ours when it was last asked; never less than 0,
        endless until it was asked.

        A head behind our clock may be a node's that lags: what its next block brings may be known to others
        already."""
        return math.inf if self.needs_resync() else max(0.0, self._ledger.get(meta.CHAIN_AHEAD))

    def _first_look(self, now: float) -> float:
        sign = self._ledger.get(self._alive)
        if abs(now - sign) <= GAP_SECONDS:
            return self._ledger.get(self._stale_ledger)
        log.info(
            "ledger_stale",
            cluster=self._cluster_id,
            silent_seconds=round(now - sign) if sign else None,
            next=f"searches SLURM for open jobs by name for {WAITING_WINDOW} s before submitting any of them",
        )
        return now
