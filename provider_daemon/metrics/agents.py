"""Measures what node agents report, each time the heartbeat loop reads it."""

from collections.abc import Callable, Collection, Mapping

from provider_daemon.metrics import catalog
from provider_daemon.metrics.meters import Meters
from provider_daemon.nodes.condition import AgentState, failed_gpus, state
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.report import Acknowledgement
from provider_daemon.ports import Agents, Clock

LIFETIME_SECONDS = 300.0


class MeasuredAgents:
    """`powered_down` returns the hosts of a cluster that SLURM has powered down."""

    def __init__(
        self, agents: Agents, meters: Meters, clock: Clock, powered_down: Callable[[str], Collection[str]]
    ) -> None:
        self._inner = agents
        self._meters = meters
        self._clock = clock
        self._powered_down = powered_down

    def facts(self, cluster_id: str) -> Mapping[str, AgentFacts]:
        found, now = self._inner.facts(cluster_id), self._clock.now()
        off = self._powered_down(cluster_id)
        states = {
            node_id: state(agent, now, powered_down=agent.hostname in off) for node_id, agent in found.items()
        }
        until, counted = now + LIFETIME_SECONDS, list(states.values())
        for each in AgentState:
            self._meters.set(catalog.NODE_AGENTS, counted.count(each), cluster_id, each, until=until)
        failed = sum(
            len(failed_gpus(agent.heartbeat.gpus))
            for node_id, agent in found.items()
            if agent.heartbeat and states[node_id] in (AgentState.ACTIVE, AgentState.UNHEALTHY)
        )
        self._meters.set(catalog.GPUS_FAILED, failed, cluster_id, until=until)
        silence = max(
            (
                max(0.0, now - agent.seen_at)
                for node_id, agent in found.items()
                if states[node_id] is not AgentState.POWERED_DOWN
            ),
            default=0.0,
        )
        self._meters.set(catalog.NODE_AGENT_SILENCE, silence, cluster_id, until=until)
        return found

    def acknowledgements(self, cluster_id: str) -> Mapping[str, Acknowledgement]:
        return self._inner.acknowledgements(cluster_id)
