"""Detects a stale ledger: a new or restored one may lack recent submissions and chain events."""

import math

import structlog

from provider_daemon.job.lifecycle import WAITING_WINDOW
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger

log = structlog.get_logger("provd.advance")

SIGN_SECONDS = 10  # between two timestamps
# a ledger whose last timestamp is older may be a restored copy that lacks later events
GAP_SECONDS = 30


class StaleLedger:
    """Tracks whether a cluster's ledger is stale, by a timestamp that the daemon updates while it runs."""

    def __init__(self, ledger: Ledger, cluster_id: str) -> None:
        self._ledger = ledger
        self._cluster_id = cluster_id
        self._alive, self._stale_ledger = meta.sign_of_life(cluster_id), meta.doubt(cluster_id)
        self._signed_at: float | None = None
        self._since = 0.0

    def stale_until(self, now: float) -> float:
        """Returns until when (epoch seconds) unknown submissions are possible. Updates the timestamp."""
        if self._signed_at is None:
            self._since = self._first_look(now)
        if self._signed_at is None or abs(now - self._signed_at) >= SIGN_SECONDS:
            with self._ledger.write():
                self._ledger.set(self._alive, now)
                self._ledger.set(self._stale_ledger, self._since)
            self._signed_at = now
        return self._since

    def needs_resync(self) -> bool:
        """Returns whether no sweep has read the chain since the ledger became stale."""
        return self._ledger.get(meta.SWEPT_AT) < self._since

    def chain_ahead(self) -> float:
        """Returns by how many seconds the chain's clock was ahead of ours at the last sweep; at least 0.

        Returns infinity until the first sweep. A block time behind our clock may come from a node that lags,
        while others already know the next block, so it counts as 0.
        """
        return math.inf if self.needs_resync() else max(0.0, self._ledger.get(meta.CHAIN_AHEAD))

    def _first_look(self, now: float) -> float:
        sign = self._ledger.get(self._alive)
        if abs(now - sign) <= GAP_SECONDS:
            return self._ledger.get(self._stale_ledger)
        log.info(
            "ledger_stale",
            cluster=self._cluster_id,
            silent_seconds=round(now - sign) if sign else None,
            next=f"provd searches SLURM for its open jobs by name for {WAITING_WINDOW} s before it submits "
            "any",
        )
        return now
