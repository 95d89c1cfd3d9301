"""Errors about compute nodes: what agents report of them, and which of them are sold."""

from collections.abc import Sequence
from typing import Any

from provider_daemon.errors import Transient
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops import node_conditions
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.loops.node_conditions import NodeConditions
from provider_daemon.loops.node_drains import NodeDrains
from provider_daemon.nodes import condition
from provider_daemon.ports import Agents, Node
from tests.simulation.wrong import Changes

READ = NodeConditions._read


def unreadable_is_healthy(self: Any, agents: Agents, served: ServedCluster, nodes: Sequence[Node]) -> bool:
    """Ends all holds when the collector's database cannot be read."""
    try:
        agents.facts(served.cluster_id)
    except Transient:
        self._release_all(served.cluster_id)
        return False
    return READ(self, agents, served, nodes)


def as_slurm_says(ledger: Ledger, cluster_id: str, nodes: Sequence[Node]) -> tuple[Node, ...]:
    return tuple(nodes)


async def never_undrained(self: Any, served: ServedCluster, nodes: Sequence[Node]) -> None:
    for node in nodes:
        if node.host in (wanted := self._wanted(served)) and not node.draining:
            await self._scheduler.drain(node.host, wanted[node.host])


NODES: dict[str, Changes] = {
    "a held node is reported by SLURM alone": ((node_conditions, "with_conditions", as_slurm_says),),
    "one good heartbeat ends a hold": ((condition, "RECOVERY_SECONDS", 0.0),),
    "a hold never ends": ((condition, "RECOVERY_SECONDS", 1e12),),
    "an unreadable database ends holds": ((NodeConditions, "_read", unreadable_is_healthy),),
    "a drained node stays drained": ((NodeDrains, "apply", never_undrained),),
}
