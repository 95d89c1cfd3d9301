"""The agents that count: an operator allowed their nodes, and did not revoke them since they registered."""

from collections.abc import Mapping

from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.report import Acknowledgement
from provider_daemon.ports import Agents


class TrustedAgents:
    """Implements ports.Agents. The collector's database still has what a revoked agent reported."""

    def __init__(self, agents: Agents, ledger: Ledger) -> None:
        self._inner = agents
        self._ledger = ledger

    def facts(self, cluster_id: str) -> Mapping[str, AgentFacts]:
        found, allowed = self._inner.facts(cluster_id), nodes.allowed(self._ledger, cluster_id)
        return {
            node_id: agent
            for node_id, agent in found.items()
            if node_id in allowed and allowed[node_id].trusts(agent.registered_at)
        }

    def acknowledgements(self, cluster_id: str) -> Mapping[str, Acknowledgement]:
        return self._inner.acknowledgements(cluster_id)
