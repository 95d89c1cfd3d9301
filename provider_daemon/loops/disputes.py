"""The dispute loop: finds disputes about our jobs as soon as they are opened, and when they are decided.

A dispute stops the payment of its job. Nobody but a person can answer it, so the loop makes it known: a log
line, an entry in the job's timeline, and a metric with an alert.
"""

from collections.abc import Container

import structlog

from provider_daemon.ledger import disputes, meta
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.chain_identity import require
from provider_daemon.ports import Audit, Clock, Dispute
from provider_daemon.text import cut

log = structlog.get_logger("provd.disputes")

PERIOD_SECONDS = 60.0
# How many of the last numbers are read again: an endpoint that lags can lack a record whose number another
# endpoint has counted.
AGAIN = 32
SHOWN = 200  # bytes of a party's text in a log line


class Disputes:
    """Reads new disputes and those that are open. `clusters`: the ids of the served clusters."""

    def __init__(self, ledger: Ledger, audit: Audit, clusters: Container[str], clock: Clock) -> None:
        self._ledger = ledger
        self._audit = audit
        self._clusters = clusters
        self._clock = clock

    async def tick(self) -> None:
        """Raises Refused while the chain is another one than the ledger's."""
        require(self._ledger)
        following = self._ledger.get(meta.NEXT_DISPUTE)
        end, found = await self._audit.disputes_since(max(1, following - AGAIN))
        read = {dispute.dispute_id: dispute for dispute in found}
        for known in disputes.still_open(self._ledger):
            dispute_id = known.dispute.dispute_id
            now = read.get(dispute_id) or await self._audit.dispute(dispute_id)
            if now is not None:
                read[dispute_id] = now
        ours = [(dispute, cluster) for dispute in read.values() if (cluster := await self._cluster(dispute))]
        with self._ledger.write():
            for dispute, cluster in ours:
                self._record(dispute, cluster)
            if end > following:
                self._ledger.set(meta.NEXT_DISPUTE, end)

    async def _cluster(self, dispute: Dispute) -> str:
        """Returns the cluster whose job is disputed, "" if it is not one of ours.

        The chain is asked about a job that the ledger does not have: the ledger may have been lost.
        """
        known = disputes.get(self._ledger, dispute.dispute_id)
        if known is not None:
            return known.cluster_id
        job = self._ledger.job(dispute.job_id)
        if job is not None:
            return job.spec.cluster_id
        record = await self._audit.on_chain(dispute.job_id)
        cluster = record.record.spec.cluster_id if record else ""
        return cluster if cluster in self._clusters else ""

    def _record(self, dispute: Dispute, cluster_id: str) -> None:
        known = disputes.get(self._ledger, dispute.dispute_id)
        if known is not None and known.dispute == dispute:
            return
        disputes.save(self._ledger, dispute, cluster_id)
        if known is None:
            self._opened(dispute, cluster_id)
        if not dispute.open and (known is None or known.dispute.open):
            self._decided(dispute, cluster_id)

    def _opened(self, dispute: Dispute, cluster_id: str) -> None:
        self._note(dispute, EventKind.DISPUTE_OPENED, f"{dispute.kind}: {dispute.reason}")
        log.error(
            "dispute_opened",
            dispute=dispute.dispute_id,
            job=dispute.job_id,
            cluster=cluster_id,
            by=dispute.disputer,
            kind=cut(dispute.kind, SHOWN),
            why=cut(dispute.reason, SHOWN),
            next=(
                "the job is not paid until the dispute is decided; read it with "
                f"`provd dispute show {dispute.dispute_id}`"
            ),
        )

    def _decided(self, dispute: Dispute, cluster_id: str) -> None:
        self._note(dispute, EventKind.DISPUTE_DECIDED, f"{dispute.status}: {dispute.resolution}")
        log.warning(
            "dispute_decided",
            dispute=dispute.dispute_id,
            job=dispute.job_id,
            cluster=cluster_id,
            status=dispute.status.value,
            resolution=cut(dispute.resolution, SHOWN),
            next="the chain settles the job by the decision",
        )

    def _note(self, dispute: Dispute, kind: EventKind, detail: str) -> None:
        self._ledger.add_event(dispute.job_id, kind, f"{dispute.dispute_id}: {detail}", self._clock.now())
