"""A mode with node agents: nodes are sick for a while, agents fall silent, their database is unreadable.

The invariants, after each heartbeat tick that ended well:

19. A node whose agent reported it sick is held, until at least 90 s after its last such heartbeat that the
    daemon read.
20. A node that is held is not reported active. And in the end, if every agent was well for long, no node is
    held or drained in SLURM, and all are active on chain.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from provider_daemon.chain.node_metadata import heartbeat_facts
from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.heartbeat import Heartbeat
from provider_daemon.loops.runner import Loop
from provider_daemon.loops.trusted_agents import TrustedAgents
from tests.fakes.chain import PROVIDER
from tests.simulation.agents import HOSTS, SimulatedAgents
from tests.simulation.life import TENANCY, Life
from tests.simulation.schedule import Result, Schedule
from tests.simulation.schedule import play as play_mode
from tests.simulation.world import World

# seconds: 90 of good heartbeats, a start after 90, slow ticks, and a transaction that has to expire first
WELL_AGAIN = 500


class AttendedLife(Life):
    """A life whose heartbeat loop reads agents."""

    agents: SimulatedAgents

    def _make_loops(self) -> list[Loop]:
        loops, agents = super()._make_loops(), self.agents
        agents.admit(self.ledger)
        heartbeat = Heartbeat(
            self.ledger,
            self.scheduler,
            self.chain,
            replace(TENANCY, unhealthy=agents.policy),
            self.clock,
            TrustedAgents(agents, self.ledger, self.clock),
        )

        async def watched() -> None:
            await heartbeat.tick()
            for line in self._wrongs():
                self._world.wrong(line)

        next(loop for loop in loops if loop.name == "heartbeat").tick = watched
        return loops

    def _wrongs(self) -> Iterator[str]:
        held = {hold.host for hold in nodes.holds(self.ledger, TENANCY.cluster_id)}
        for message in self.ledger.waiting_messages(PROVIDER.address):
            host = message.subject.removeprefix("alpha.")
            if message.kind == "node" and host in held and heartbeat_facts(message.body).active:
                yield f"20 {host} is held and reported active"
        # daemon and collector may have different clocks then, or the ledger may be another one
        if "clock_jump" not in self._world.chances and not self._world.memory_lost:
            yield from self.agents.wrongs(held)


class AttendedSchedule(Schedule):
    life = AttendedLife

    def __init__(self, world: World, path: Path) -> None:
        super().__init__(world, path)
        self._agents = SimulatedAgents(world)

    def _life(self, periods: dict[str, float], path: Path) -> Life:
        life = super()._life(periods, path)
        assert isinstance(life, AttendedLife)
        life.agents = self._agents
        return life

    async def run(self) -> None:
        await super().run()
        if all(self._agents.long_well(host, WELL_AGAIN) for host in HOSTS):
            for line in self._unsold():
                self._world.wrong(line)

    def _unsold(self) -> Iterator[str]:
        with closing(Ledger.open(self._path)) as ledger:
            for hold in nodes.holds(ledger, TENANCY.cluster_id):
                yield f"20 {hold.host} is held for ever"
        for host in self._site.drained:
            yield f"20 {host} is drained for ever"
        for node_id, active in self._blocks.books.active.items():
            if not active:
                yield f"20 {node_id} is not sold"


def play(seed: int) -> Result:
    return play_mode(seed, AttendedSchedule)
