"""The figures that planning uses, measured on the devnet with provd's own transactions."""

import pytest

from provider_daemon.ledger.sending import paid_lately
from provider_daemon.loops.heartbeat import Heartbeat
from provider_daemon.planning.gas import NODE_GAS, REPORT_GAS, TX_GAS
from tests.fakes.agents import FakeAgents
from tests.fakes.chain import ALICE, PROVIDER, job
from tests.unit.loops.conftest import TENANCY, House


def used(house: House) -> int:
    """Gas of the newest transaction."""
    ((_, gas),) = paid_lately(house.ledger, PROVIDER.address, 1)
    return gas


@pytest.mark.parametrize("nodes", [1, 20])
async def test_heartbeats(house: House, nodes: int) -> None:
    """The second heartbeat of a node costs more than the first, and is what every later one costs."""
    house.scheduler.hosts = nodes
    for _ in range(3):
        house.chain.block(seconds=100)
        await house.heartbeat.tick()
        await house.report()
    assert used(house) == pytest.approx(TX_GAS + nodes * NODE_GAS, rel=0.02)


async def test_heartbeats_of_nodes_with_agents(house: House) -> None:
    """What docs/agent.md says of them: half as much again, for a record that is larger."""
    agents = FakeAgents(house.chain.clock)
    house.heartbeat = Heartbeat(
        house.ledger, house.scheduler, house.chain.client, TENANCY, house.chain.clock, agents
    )
    for _ in range(3):
        house.chain.block(seconds=100)
        for host in ("n1", "n2"):
            agents.report(host)
        await house.heartbeat.tick()
        await house.report()
    assert used(house) == pytest.approx(TX_GAS + 2 * 86_000, rel=0.02)


@pytest.mark.parametrize("jobs", [1, 20])
async def test_reports(house: House, jobs: int) -> None:
    await house.chain.send(ALICE, *[job() for _ in range(jobs)])
    for _ in range(3):
        await house.round()
    house.scheduler.run()
    for _ in range(3):
        await house.round()
    assert used(house) == pytest.approx(TX_GAS + jobs * REPORT_GAS, rel=0.02)
