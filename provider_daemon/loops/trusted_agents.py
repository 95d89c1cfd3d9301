"""The agents that count: an operator allowed their nodes, and did not revoke them since they registered."""

from collections.abc import Mapping
from dataclasses import replace

from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.nodes.condition import is_silent
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.report import Acknowledgement
from provider_daemon.ports import Agents, Clock


class TrustedAgents:
    """Implements ports.Agents. The collector's database still has what a revoked agent reported.

    `seen_at` is by our clock. It may differ from the collector's if one of both processes was started again
    after the clock was set: then a heartbeat counts from the reading that first shows it.
    """

    def __init__(self, agents: Agents, ledger: Ledger, clock: Clock) -> None:
        self._inner = agents
        self._ledger = ledger
        self._clock = clock
        self._seen: dict[str, tuple[float, float]] = {}  # node id -> by the collector's clock, by ours

    def facts(self, cluster_id: str) -> Mapping[str, AgentFacts]:
        found, allowed = self._inner.facts(cluster_id), nodes.allowed(self._ledger, cluster_id)
        return {
            node_id: self._by_our_clock(agent)
            for node_id, agent in found.items()
            if node_id in allowed and allowed[node_id].trusts(agent.registered_at)
        }

    def acknowledgements(self, cluster_id: str) -> Mapping[str, Acknowledgement]:
        return self._inner.acknowledgements(cluster_id)

    def _by_our_clock(self, agent: AgentFacts) -> AgentFacts:
        """An earlier time than before is no new heartbeat: an older copy of the database was put back."""
        before, now, seen_at = self._seen.get(agent.node_id), self._clock.now(), agent.seen_at
        if before and seen_at == before[0]:
            seen_at = before[1]
        elif before and seen_at > before[0] and is_silent(agent, now):
            seen_at = now
        self._seen[agent.node_id] = agent.seen_at, seen_at
        return replace(agent, seen_at=seen_at)
