"""Drains nodes in SLURM that are held, and ends these drains when the hold ends.

The state of SLURM is compared with the holds at each poll, so a command that failed is repeated, and a
restart changes nothing.
"""

from collections.abc import Sequence

import structlog

from provider_daemon.errors import ProvdError, Transient
from provider_daemon.ledger import nodes as node_records
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.nodes.condition import UnhealthyPolicy
from provider_daemon.nodes.hold import HoldSource
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock, Node, Scheduler
from provider_daemon.slurm.drains import drain_reason, is_ours

log = structlog.get_logger("provd.nodes")

NODES_A_TICK = 20  # one command each


class NodeDrains:
    """The drains of one cluster's nodes. An administrator's drain is neither changed nor ended."""

    def __init__(self, ledger: Ledger, scheduler: Scheduler, clock: Clock, ongoing: OngoingProblems) -> None:
        self._ledger = ledger
        self._scheduler = scheduler
        self._clock = clock
        self._ongoing = ongoing

    async def apply(self, served: ServedCluster, nodes: Sequence[Node]) -> None:
        """Changes at most NODES_A_TICK nodes. Failures are logged: heartbeats do not depend on them."""
        wanted, failures = self._wanted(served), dict[str, ProvdError]()
        drain = [node.host for node in nodes if node.host in wanted and not node.draining]
        undrain = [node.host for node in nodes if node.host not in wanted and is_ours(node, served.name)]
        for host in [*undrain, *drain][:NODES_A_TICK]:
            try:
                await self._change(served, host, wanted.get(host))
            except ProvdError as error:
                failures[host] = error
                if isinstance(error, Transient):
                    break
        self._tell(served.cluster_id, failures)

    def _wanted(self, served: ServedCluster) -> dict[str, str]:
        """Returns host -> reason of the nodes that must be drained; an operator's reason comes first."""
        sources = {HoldSource.OPERATOR}
        if served.unhealthy is UnhealthyPolicy.DRAIN:
            sources.add(HoldSource.HEALTH)
        found = [
            each for each in node_records.holds(self._ledger, served.cluster_id) if each.source in sources
        ]
        found.sort(key=lambda each: each.source is HoldSource.OPERATOR)
        return {each.host: drain_reason(served.name, each.reason) for each in found}

    async def _change(self, served: ServedCluster, host: str, reason: str | None) -> None:
        if reason is None:
            await self._scheduler.undrain(host)
            log.info("node_undrained", cluster=served.cluster_id, node=host)
        else:
            await self._scheduler.drain(host, reason)
            log.info("node_drained", cluster=served.cluster_id, node=host, reason=reason)

    def _tell(self, cluster_id: str, failures: dict[str, ProvdError]) -> None:
        if not failures:
            if self._ongoing.clear("node_drain_failed", cluster_id):
                log.info("node_drains_work_again", cluster=cluster_id)
        elif self._ongoing.start("node_drain_failed", cluster_id, self._clock.now()):
            following = (
                "tried again at each poll; make the login an operator in SLURM, or drain the node by hand"
            )
            log.warning(
                "node_drain_failed",
                cluster=cluster_id,
                nodes=sorted(failures),
                why=str(next(iter(failures.values()))),
                next=following,
            )
