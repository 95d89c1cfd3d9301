"""A model of the node agents and the collector: what they have reported, and what the daemon reads of it.

It has dice of its own. Of three nodes two have an agent.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from provider_daemon.clock import SystemClock
from provider_daemon.errors import Transient
from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.nodes.allowed import AllowedNode
from provider_daemon.nodes.condition import RECOVERY_SECONDS, SILENT_SECONDS, UnhealthyPolicy
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.report import Acknowledgement
from tests.fakes.agents import SICK, WELL, agent, heartbeat
from tests.fakes.chain import PROVIDER
from tests.simulation.world import START, World

AGENTS: dict[str, float] = {
    "agent_reports_sick": 0.2,
    "agent_silent": 0.1,
    "agents_unreadable": 0.2,
}
HOSTS = ("n1", "n2")
INTERVAL = 30


@dataclass
class _Agent:
    """One agent. `sick_until`, `silent_until`, `sick_at` (its last such heartbeat): true times."""

    facts: AgentFacts
    sick_until: float = 0.0
    silent_until: float = 0.0
    sick_at: float = 0.0


class SimulatedAgents:
    """Implements ports.Agents. `policy`: the site's, for nodes that are reported sick.

    The collector is never started again: its clock does not follow that of the machine.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = random.Random(world.seed ^ 0xA6E7)
        self._clock = SystemClock(world.machine_clock, world.loop.time)
        for fault, chance in AGENTS.items():
            world.chances[fault] = chance * self._dice.uniform(0.2, 1)
        self.policy = self._dice.choice((UnhealthyPolicy.UNAVAILABLE, UnhealthyPolicy.DRAIN))
        self._agents: dict[str, _Agent] = {}
        self._unreadable_until = 0.0
        self._read: dict[str, float] = {}  # host -> time of the sick heartbeat in the last reading
        self._known: dict[str, float] = {}  # the same, of readings that ended in a successful tick
        for host in HOSTS:
            self._agents[host] = _Agent(agent(host, START))
            world.later(self._dice.uniform(0, INTERVAL), lambda host=host: self._beat(host))  # type: ignore[misc]

    def admit(self, ledger: Ledger) -> None:
        """The operator allows the agents, in a new ledger again."""
        if missing := self._agents.keys() - {
            each.hostname for each in nodes.allowed(ledger, "HPC-1").values()
        }:
            with ledger.write():
                for host in sorted(missing):
                    nodes.allow(ledger, _allowed(host))

    def _beat(self, host: str) -> None:
        now, found = self._world.now(), self._agents[host]
        if now >= found.sick_until and self._world.strikes("agent_reports_sick"):
            found.sick_until = now + self._world.broken_for(10, 200)
            self._world.note(f"{host}: sick")
        if now >= found.silent_until and self._world.strikes("agent_silent"):
            found.silent_until = now + self._world.broken_for(30, 400)
            self._world.note(f"{host}: its agent is silent")
        if now >= found.silent_until:
            sick = now < found.sick_until
            beat = heartbeat(host, int(now - START) + 1, SICK if sick else WELL)
            found.facts = replace(found.facts, seen_at=self._clock.now(), heartbeat=beat)
            found.sick_at = now if sick else found.sick_at
        self._world.later(INTERVAL, lambda: self._beat(host))

    # --- what the daemon reads ---

    def facts(self, cluster_id: str) -> Mapping[str, AgentFacts]:
        now = self._world.now()
        if now >= self._unreadable_until and self._world.strikes("agents_unreadable"):
            self._unreadable_until = now + self._world.broken_for(5, 150)
        if now < self._unreadable_until:
            raise Transient("the collector's database cannot be read")
        self._read = {
            host: each.sick_at
            for host, each in self._agents.items()
            if each.facts.heartbeat and each.facts.heartbeat.health == SICK
        }
        return {each.facts.node_id: each.facts for each in self._agents.values()}

    def acknowledgements(self, cluster_id: str) -> Mapping[str, Acknowledgement]:
        return {}

    # --- what must follow ---

    def wrongs(self, held: Iterable[str]) -> list[str]:
        """Returns what is wrong after a tick that ended well. `held`: the nodes that the ledger holds."""
        self._known |= self._read
        recently = self._world.now() - RECOVERY_SECONDS
        return [
            f"19 {host} is sold, and was sick {self._world.now() - at:.0f} s ago"
            for host, at in self._known.items()
            if at > recently and host not in held
        ]

    def long_well(self, host: str, seconds: float) -> bool:
        """Whether the node was well for so long, with a heartbeat at each interval."""
        found, now = self._agents[host], self._world.now()
        bad_until = max(found.sick_at, found.silent_until + SILENT_SECONDS, self._unreadable_until)
        return now - bad_until > seconds


def _allowed(host: str) -> AllowedNode:
    return AllowedNode(f"alpha.{host}", "HPC-1", host, PROVIDER.address, "ab" * 32, 1.0, START * 2)
