"""A schedule of the second mode: the same models, seeds, faults and invariants, with the real adapters."""

import random
from pathlib import Path
from unittest.mock import patch

import grpc.aio

from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.endpoint import Endpoint
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.scheduler import SlurmScheduler
from tests.simulation import schedule
from tests.simulation.client import CHAIN_ID
from tests.simulation.life import Life
from tests.simulation.schedule import Result, Schedule
from tests.simulation.wire.chain import WireBlocks
from tests.simulation.wire.channel import WireChannel
from tests.simulation.wire.faults import Wire
from tests.simulation.wire.node import Node
from tests.simulation.wire.slurm import Slurm
from tests.simulation.wire.transport import WireTransport
from tests.simulation.wire.weather import Weather
from tests.simulation.world import World


def play(seed: int) -> Result:
    """Plays a schedule; a seed always gives the same schedule.

    The waits of quick retries depend on the seed too.
    """
    with patch("tenacity.wait.random", random.Random(seed)):
        return schedule.play(seed, WireSchedule)


class WireSchedule(Schedule):
    """A schedule in which the nodes and SLURM's programs outlive the daemon."""

    blocks = WireBlocks

    def __init__(self, world: World, path: Path) -> None:
        super().__init__(world, path)
        assert isinstance(self._blocks, WireBlocks)
        self._wire = Wire(world)
        self._slurm = Slurm(world, self._wire, self._site)
        count, liar = self._wire.dice.randint(1, 3), self._wire.dice.randrange(3)
        self._quorum = 0 if count == 3 else self._wire.dice.choice((0, 1))
        lying = range(liar, liar + 1) if count == 3 else range(0)
        weathers = [
            Weather(world, self._wire, self._blocks, first=not number, liar=number in lying)
            for number in range(count)
        ]
        self._nodes = {f"node{number}:9090": Node(weather) for number, weather in enumerate(weathers)}

    def _life(self, periods: dict[str, float], path: Path) -> Life:
        life = super()._life(periods, path)
        clock, gate, world, wire = life.clock, life.gate, self._world, self._wire
        life.scheduler = SlurmScheduler(SiteLogins(WireTransport(world, wire, self._slurm, gate)), clock)
        life.sending = None
        life.chain = chain = GrpcChain(CHAIN_ID, [], clock, quorum=self._quorum)
        chain.endpoints.all += [
            Endpoint(url, _channel(WireChannel(world, wire, gate, node))) for url, node in self._nodes.items()
        ]
        return life


def _channel(channel: WireChannel) -> grpc.aio.Channel:
    return channel  # type: ignore[return-value]
