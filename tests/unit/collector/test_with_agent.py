"""The collector with the agent: both ends of the wire are provd's own code."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.agent.agent import Agent
from provider_daemon.ledger import nodes
from provider_daemon.nodes.command import CommandResult
from provider_daemon.nodes.report import Acknowledgement, HealthStatus, Locality
from tests.unit.agent.far_end import NOW
from tests.unit.agent.place import SAMPLE, Place
from tests.unit.collector.conftest import Running
from tests.unit.collector.test_requests import issued


@pytest.fixture
def place(tmp_path: Path, running: Running) -> Place:
    """The node c1, with a token."""
    (tmp_path / "node").mkdir()
    found = Place(tmp_path / "node")
    found.settings = replace(found.settings, rack="7")
    found.clock.ahead = running.clock.time - NOW
    found.write_token(running.token(collector_url=f"http://127.0.0.1:{running.port}"))
    return found


async def turn(agent: Agent) -> float:
    return await asyncio.to_thread(agent.turn)


async def test_what_the_agent_reports_is_stored(place: Place, running: Running) -> None:
    """Over a restart of the agent too, with what the node is from its first heartbeat."""
    assert await turn(place.agent()) == 30
    facts = running.facts()
    assert (facts.fingerprint, facts.locality) == (place.source.fingerprint, Locality(rack="7"))
    assert facts.heartbeat is not None
    assert facts.heartbeat.capacity == SAMPLE.capacity
    agent = place.agent()
    assert [await turn(agent), await turn(agent)] == [30, 30]
    assert running.facts().hardware == facts.hardware


async def test_a_command_is_executed_and_its_result_stored(place: Place, running: Running) -> None:
    """It is drained once the operator's command is in the ledger; later answers have no command."""
    agent = place.agent()
    await turn(agent)
    issued(running, int(running.clock.time))
    await running.refresh()
    assert await turn(agent) == 10
    await turn(agent)
    command_id = f"C-{int(running.clock.time)}"
    assert running.store.acknowledgements("HPC-1") == {
        command_id: Acknowledgement(command_id, CommandResult.DONE)
    }
    facts = running.facts()
    assert facts.heartbeat is not None
    assert facts.heartbeat.health.status is HealthStatus.DRAINING


async def test_a_lost_state_continues_with_the_same_key(place: Place, running: Running) -> None:
    """The answer to the registration has the number that the collector knows."""
    agent = place.agent()
    await turn(agent)
    await turn(agent)
    (place.state / "state.json").unlink()
    place.write_token(running.token(collector_url=f"http://127.0.0.1:{running.port}"))
    await running.refresh()
    assert await turn(place.agent()) == 30
    facts = running.facts()
    assert facts.heartbeat is not None
    assert facts.heartbeat.sequence_number == 3


async def test_a_revoked_agent_is_told_and_comes_back_with_a_new_token(
    place: Place, running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    """The refusal names what to do; the token registers the same key again."""
    agent = place.agent()
    await turn(agent)
    with running.ledger.write():
        nodes.revoke(running.ledger, "alpha.c1", "ann", running.clock.time)
    await running.refresh()
    await turn(agent)
    assert "an operator revoked this node" in capsys.readouterr().err
    running.clock.time += 10
    place.write_token(running.token(collector_url=f"http://127.0.0.1:{running.port}"))
    await running.refresh()
    place.clock.ahead += 10
    assert await turn(agent) == 30
