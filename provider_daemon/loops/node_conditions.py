"""What node agents report, and which nodes are not sold because of it.

The ledger has the reasons, so that they survive a restart and every loop sees the same nodes: the heartbeat
loop writes them here, the catalogue loop only reads them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import structlog

from provider_daemon.errors import Transient
from provider_daemon.ledger import meta
from provider_daemon.ledger import nodes as node_records
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.nodes.condition import (
    NO_GPUS,
    FailedGpus,
    UnhealthyPolicy,
    is_silent,
    next_failed_gpus,
    next_hold,
)
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.hold import HoldSource, NodeHold
from provider_daemon.nodes.ids import first_id
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Agents, Clock, Node

log = structlog.get_logger("provd.nodes")

NAMED = 20  # nodes named in one log line
T = TypeVar("T")


def with_conditions(ledger: Ledger, cluster_id: str, nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Returns the nodes with the holds and the failed GPUs that the ledger has of them."""
    failed, holds = ledger.get(meta.failed_gpus(cluster_id)), dict[str, set[HoldSource]]()
    for hold in node_records.holds(ledger, cluster_id):
        holds.setdefault(hold.host, set()).add(hold.source)
    return tuple(
        replace(
            node,
            holds=frozenset(holds.get(node.host, ())),
            gpus_lost=failed.get(node.host, NO_GPUS).lost(node.gpus),
        )
        for node in nodes
    )


class NodeConditions:
    """The agents of one cluster. `agents`: None if no collector is configured.

    While the collector's database cannot be read, everything stays as at the last reading. `known` is False
    until the first one.
    """

    def __init__(self, ledger: Ledger, agents: Agents | None, clock: Clock, ongoing: OngoingProblems) -> None:
        self._ledger = ledger
        self._agents = agents
        self._clock = clock
        self._ongoing = ongoing
        self.known = agents is None
        self._facts: Mapping[str, AgentFacts] = {}
        self._silent = frozenset[str]()
        self._named = frozenset[str]()  # without those of nodes that are powered down

    def assess(self, served: ServedCluster, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """Reads the agents, stores what follows from it, and returns the nodes with it."""
        if self._agents is None or served.unhealthy is UnhealthyPolicy.REPORT:
            self._release_all(served.cluster_id)
        if self._agents is not None and self._read(self._agents, served, nodes):
            self._decide(served, nodes)
        return with_conditions(self._ledger, served.cluster_id, nodes)

    def agent(self, node_id: str) -> tuple[AgentFacts, bool] | None:
        """Returns a node's agent, and whether it is silent. `node_id`: the first one, as agents know it."""
        found = self._facts.get(node_id)
        return (found, node_id in self._silent) if found else None

    def _read(self, agents: Agents, served: ServedCluster, nodes: Sequence[Node]) -> bool:
        try:
            self._facts = agents.facts(served.cluster_id)
        except Transient as error:
            if self._ongoing.start("node_agents_unreadable", served.cluster_id, self._clock.now()):
                following = "nodes are reported as their agents last described them; check the collector"
                log.warning(
                    "node_agents_unreadable", cluster=served.cluster_id, why=str(error), next=following
                )
            return False
        if self._ongoing.clear("node_agents_unreadable", served.cluster_id):
            log.info("node_agents_readable", cluster=served.cluster_id)
        self.known, now = True, self._clock.now()
        silent = frozenset(node_id for node_id, agent in self._facts.items() if is_silent(agent, now))
        off = {first_id(served.name, node.host) for node in nodes if node.powered_down}
        self._tell_silent(served.cluster_id, silent - off)
        self._silent, self._named = silent, silent - off
        return True

    def _tell_silent(self, cluster_id: str, silent: frozenset[str]) -> None:
        if new := sorted(silent - self._named):
            log.warning(
                "node_agents_silent",
                cluster=cluster_id,
                count=len(new),
                nodes=new[:NAMED],
                next="their health and utilisation are no longer reported; check provd-agent on these nodes",
            )
        if back := sorted((self._named - silent) & self._facts.keys()):
            log.info("node_agents_heard_again", cluster=cluster_id, count=len(back), nodes=back[:NAMED])

    # --- which nodes are sold ---

    def _decide(self, served: ServedCluster, nodes: Sequence[Node]) -> None:
        """What a node's agent reported counts until an operator revokes it."""
        if served.unhealthy is UnhealthyPolicy.REPORT:
            return
        now, cluster_id = self._clock.now(), served.cluster_id
        holds, gpus = self._health_holds(cluster_id), self._ledger.get(meta.failed_gpus(cluster_id))
        allowed = node_records.allowed(self._ledger, cluster_id)
        next_holds, next_gpus = dict(holds), dict(gpus)
        for host in {*holds, *gpus, *(node.host for node in nodes)}:
            node_id = first_id(served.name, host)
            if node_id not in allowed or allowed[node_id].revoked_at:
                next_holds.pop(host, None)
                next_gpus.pop(host, None)
            elif agent := self._facts.get(node_id):
                _put(next_holds, host, next_hold(holds.get(host), agent, host, served.unhealthy, now))
                failed = next_failed_gpus(gpus.get(host, NO_GPUS), agent, now)
                _put(next_gpus, host, failed if failed.good_since else None)
        self._store(cluster_id, holds, next_holds)
        self._store_gpus(cluster_id, gpus, next_gpus)

    def _health_holds(self, cluster_id: str) -> dict[str, NodeHold]:
        return {
            hold.host: hold
            for hold in node_records.holds(self._ledger, cluster_id)
            if hold.source is HoldSource.HEALTH
        }

    def _release_all(self, cluster_id: str) -> None:
        """Nothing would end these holds where no agent is heard, or the operator wants reports only."""
        self._store(cluster_id, self._health_holds(cluster_id), {})
        self._store_gpus(cluster_id, self._ledger.get(meta.failed_gpus(cluster_id)), {})

    def _store(self, cluster_id: str, before: Mapping[str, NodeHold], after: Mapping[str, NodeHold]) -> None:
        if before == after:
            return
        with self._ledger.write():
            for host in before.keys() - after.keys():
                node_records.release(self._ledger, cluster_id, host, HoldSource.HEALTH)
            for host, hold in after.items():
                if before.get(host) != hold:
                    node_records.hold(self._ledger, hold)
        for host in sorted(before.keys() - after.keys()):
            log.info("node_released", cluster=cluster_id, node=host, reason=before[host].reason)
        for host in sorted(after.keys() - before.keys()):
            following = "the node is not sold until its agent reports it healthy for 90 s; check the node"
            log.warning("node_held", cluster=cluster_id, node=host, reason=after[host].reason, next=following)

    def _store_gpus(
        self, cluster_id: str, before: Mapping[str, FailedGpus], after: Mapping[str, FailedGpus]
    ) -> None:
        if before == after:
            return
        with self._ledger.write():
            self._ledger.set(meta.failed_gpus(cluster_id), after)
        for host in sorted(before.keys() | after.keys()):
            was, now = (set(each.get(host, NO_GPUS).good_since) for each in (before, after))
            if now - was:
                following = "these GPUs are not sold until they work for 90 s; check the node"
                log.warning(
                    "gpus_failed", cluster=cluster_id, node=host, gpus=sorted(now - was), next=following
                )
            if was - now:
                log.info("gpus_recovered", cluster=cluster_id, node=host, gpus=sorted(was - now))


def _put(target: dict[str, T], host: str, value: T | None) -> None:
    if value is None:
        target.pop(host, None)
    else:
        target[host] = value
