"""Nodes with agents: what the chain learns, and which nodes are not sold."""

from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import AsyncMock

import pytest
import structlog

from provider_daemon.chain.node_metadata import heartbeat_facts
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import NODE_STATE_OFFLINE, NodeMetadata
from provider_daemon.ledger import meta
from provider_daemon.ledger import nodes as node_records
from provider_daemon.loops.heartbeat import Heartbeat
from provider_daemon.loops.node_conditions import with_conditions
from provider_daemon.loops.trusted_agents import TrustedAgents
from provider_daemon.nodes.allowed import AllowedNode
from provider_daemon.nodes.condition import UnhealthyPolicy
from provider_daemon.nodes.hold import HoldSource, NodeHold
from provider_daemon.ports import Agents
from tests.fakes.agents import KEY, SICK, WELL, FakeAgents, gpus
from tests.fakes.chain import PROVIDER
from tests.unit.loops.conftest import TENANCY, House


@pytest.fixture
def agents(house: House) -> FakeAgents:
    """The agents port of the house's heartbeat loop; both nodes are allowed to have one."""
    with house.ledger.write():
        for host in ("n1", "n2"):
            node_records.allow(house.ledger, allowed(host))
    found = FakeAgents(house.chain.clock)
    watch(house, found)
    return found


def allowed(host: str) -> AllowedNode:
    return AllowedNode(f"alpha.{host}", "HPC-1", host, PROVIDER.address, "ab" * 32, 1.0, 2e9)


def watch(house: House, agents: Agents | None, policy: UnhealthyPolicy = UnhealthyPolicy.UNAVAILABLE) -> None:
    """Starts the heartbeat loop again."""
    served = replace(TENANCY, unhealthy=policy)
    house.heartbeat = Heartbeat(
        house.ledger, house.scheduler, house.chain.client, served, house.chain.clock, agents
    )


async def beat(house: House, seconds: float = 30) -> None:
    house.chain.block(seconds=seconds - 2)
    await house.heartbeat.tick()
    for _ in range(2):
        await house.report()


async def node(house: House, host: str = "n1") -> NodeMetadata:
    found = await house.chain.client.query.node(f"alpha.{host}")
    assert found is not None
    return found


async def test_a_mixed_site(house: House, agents: FakeAgents) -> None:
    """One node with an agent and one without."""
    agents.report("n1")
    await beat(house)
    first, second = await node(house, "n1"), await node(house, "n2")
    assert (first.agent_pubkey, first.health.uptime_seconds, first.active) == (KEY, 60, True)
    assert (second.agent_pubkey, second.active) == ("", True)


async def test_a_silent_agent_is_named_once(house: House, agents: FakeAgents) -> None:
    """Heartbeats go on without its live figures, and its return is logged."""
    agents.report("n1")
    await beat(house)
    with structlog.testing.capture_logs() as logged:
        for _ in range(6):
            await beat(house)
        silent = await node(house)
        agents.report("n1")
        await beat(house)
    assert (silent.agent_pubkey, silent.health.uptime_seconds, silent.active) == (KEY, 0, True)
    events = [(line["event"], line["nodes"]) for line in logged if "nodes" in line]
    assert events == [("node_agents_silent", ["alpha.n1"]), ("node_agents_heard_again", ["alpha.n1"])]


async def test_a_powered_down_node(house: House, agents: FakeAgents, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its agent's silence is not named, until the node runs again and the agent does not."""
    agents.report("n1")
    await beat(house)
    running = await house.scheduler.nodes()
    off = tuple(replace(each, slurm_state="IDLE+POWERED_DOWN", powered_down=True) for each in running)
    with structlog.testing.capture_logs() as logged:
        for nodes in (off, running):
            monkeypatch.setattr(house.scheduler, "nodes", AsyncMock(return_value=nodes))
            for _ in range(6):
                await beat(house)
            named = [line["nodes"] for line in logged if line["event"] == "node_agents_silent"]
            assert named == ([] if nodes is off else [["alpha.n1"]])


async def test_an_unreadable_database_is_no_silence(house: House, agents: FakeAgents) -> None:
    """Everything stays as at the last reading, after a restart too."""
    agents.report("n1")
    agents.report("n2", SICK)
    await beat(house)
    agents.unreadable = True
    with structlog.testing.capture_logs() as logged:
        for _ in range(6):
            await beat(house)
        assert ((await node(house)).health.uptime_seconds, (await node(house, "n2")).active) == (60, False)
        watch(house, agents)
        await beat(house)
    assert ((await node(house)).agent_pubkey, (await node(house, "n2")).active) == (KEY, False)
    assert [line["event"] for line in logged if line["event"].startswith("node_")] == [
        "node_agents_unreadable", "node_agents_unreadable",
    ]  # fmt: skip


async def test_a_sick_node_is_not_sold(house: House, agents: FakeAgents) -> None:
    """Out at the first heartbeat that says so; back after 90 s of good ones, however often provd restarts."""
    agents.report("n1", SICK)
    await beat(house)
    found = await node(house)
    assert (found.state, found.active) == (NODE_STATE_OFFLINE, False)
    assert (await node(house, "n2")).active
    shown = []
    for _ in range(5):
        agents.report("n1", WELL)
        watch(house, agents)
        await beat(house)
        shown.append((await node(house)).active)
    assert shown == [False, False, False, True, True]


async def test_a_sick_node_whose_agent_dies(house: House, agents: FakeAgents) -> None:
    """It stays out: nobody has reported that it is well."""
    agents.report("n1", SICK)
    for _ in range(10):
        await beat(house)
    assert not (await node(house)).active
    agents.known.clear()  # the collector's database was lost
    await beat(house)
    assert not (await node(house)).active
    revoke(house, "n1")
    await beat(house)
    assert (await node(house)).active


def revoke(house: House, host: str) -> None:
    with house.ledger.write():
        assert node_records.revoke(house.ledger, f"alpha.{host}", "root", house.chain.clock.now())


async def test_a_revoked_agent(house: House, agents: FakeAgents) -> None:
    """What it reported counts no more, although the collector's database still has it. After a new token the
    node must register again."""
    trusted = TrustedAgents(agents, house.ledger, house.chain.clock)
    watch(house, trusted)
    agents.report("n1", SICK, gpus(2, [1]))
    agents.report("n2")
    await beat(house)
    assert set(trusted.facts("HPC-1")) == {"alpha.n1", "alpha.n2"}
    revoke(house, "n1")
    await beat(house)
    found = await node(house)
    assert (found.active, found.resources.gpus, found.agent_pubkey) == (True, 2, "")
    with house.ledger.write():
        node_records.allow(house.ledger, allowed("n1"))
    assert set(trusted.facts("HPC-1")) == {"alpha.n2"}
    house.chain.block()
    agents.report("n1")
    assert set(trusted.facts("HPC-1")) == {"alpha.n1", "alpha.n2"}


async def test_a_collector_with_another_clock(house: House, agents: FakeAgents) -> None:
    """Its agents are silent until the second reading shows a new heartbeat, and not for as long as the clocks
    differ."""
    watch(house, TrustedAgents(agents, house.ledger, house.chain.clock))
    shown = []
    for number in range(10):
        if number < 4:
            agents.report("n1")
            found = agents.known["alpha.n1"]
            agents.known["alpha.n1"] = replace(found, seen_at=found.seen_at - 86_400)
        await beat(house)
        shown.append((await node(house)).health.uptime_seconds > 0)
    assert (shown[:7], shown[-1]) == ([False] + [True] * 6, False)


async def test_an_older_copy_of_the_collectors_database(house: House, agents: FakeAgents) -> None:
    """An earlier time of the same heartbeat is no new heartbeat."""
    watch(house, TrustedAgents(agents, house.ledger, house.chain.clock))
    agents.report("n1")
    await beat(house)
    assert (await node(house)).health.uptime_seconds
    found = agents.known["alpha.n1"]
    agents.known["alpha.n1"] = replace(found, seen_at=found.seen_at - 120)
    await beat(house, 100)
    assert not (await node(house)).health.uptime_seconds


async def test_a_failed_gpu_is_not_counted(house: House, agents: FakeAgents) -> None:
    """The node is sold with the other one; with both failed it is not sold at all."""
    agents.report("n1", gpus=gpus(2, [1]))
    await beat(house)
    assert ((await node(house)).resources.gpus, (await node(house)).active) == (1, True)
    agents.report("n1", gpus=gpus(2, [0, 1]))
    await beat(house)
    assert not (await node(house)).active
    counts = []
    for _ in range(4):
        agents.report("n1", gpus=gpus(2))
        await beat(house)
        counts.append(((await node(house)).resources.gpus, (await node(house)).active))
    assert counts == [(0, False)] * 3 + [(2, True)]


@pytest.mark.parametrize("without", [True, False], ids=["no collector", "report"])
async def test_only_reported(house: House, agents: FakeAgents, without: bool) -> None:
    """With the policy "report", or without a collector, nothing holds a node back, and older holds end."""
    agents.report("n1", SICK, gpus(2, [1]))
    await beat(house)
    assert not (await node(house)).active
    watch(house, None if without else agents, UnhealthyPolicy.REPORT)
    await beat(house)
    found = await node(house)
    assert (found.active, found.resources.gpus) == (True, 2)
    assert node_records.holds(house.ledger, "HPC-1") == []
    assert house.ledger.get(meta.failed_gpus("HPC-1")) == {}


async def test_an_operators_hold(house: House, agents: FakeAgents) -> None:
    """The node is offline on chain, although its agent is well, until the operator ends it."""
    agents.report("n1")
    hold(house)
    await beat(house)
    assert not (await node(house)).active
    sold = with_conditions(house.ledger, "HPC-1", await house.scheduler.nodes())
    assert [each.sellable for each in sold] == [False, True]
    with house.ledger.write():
        node_records.release(house.ledger, "HPC-1", "n1", HoldSource.OPERATOR)
    await beat(house)  # which undrains it in SLURM
    await beat(house)
    assert (await node(house)).active


def hold(house: House, host: str = "n1", source: HoldSource = HoldSource.OPERATOR) -> None:
    with house.ledger.write():
        node_records.hold(house.ledger, NodeHold("HPC-1", host, source, 1.0, 'new "disks"'))


async def test_an_operators_hold_drains_in_slurm(house: House) -> None:
    """And its end undrains the node, whether provd restarted in between."""
    watch(house, None)
    hold(house)
    await beat(house)
    assert house.scheduler.drained == {"n1": "provd: alpha: new _disks_"}
    watch(house, None)
    await beat(house)
    with house.ledger.write():
        node_records.release(house.ledger, "HPC-1", "n1", HoldSource.OPERATOR)
    await beat(house)
    assert house.scheduler.drained == {}


async def test_an_administrators_drain_is_left_alone(house: House) -> None:
    """Neither its reason is replaced nor is it ended, nor is a drain of another daemon."""
    house.scheduler.drained = {"n1": "bad fan", "n2": "provd: beta: new disks"}
    hold(house)
    await beat(house)
    with house.ledger.write():
        node_records.release(house.ledger, "HPC-1", "n1", HoldSource.OPERATOR)
    await beat(house)
    assert house.scheduler.drained == {"n1": "bad fan", "n2": "provd: beta: new disks"}


async def test_a_failed_gpu_drains_the_node(house: House, agents: FakeAgents) -> None:
    """With the policy "drain": SLURM could give it to a job. It is undrained after 90 s of good heartbeats,
    or when the site changes the policy."""
    watch(house, agents, UnhealthyPolicy.DRAIN)
    for policy, well in ((UnhealthyPolicy.DRAIN, True), (UnhealthyPolicy.UNAVAILABLE, False)):
        agents.report("n1", gpus=gpus(2, [1]))
        await beat(house)
        assert house.scheduler.drained == {"n1": "provd: alpha: GPU 1 failed: fell off the bus"}
        watch(house, agents, policy)
        for _ in range(4 if well else 1):
            agents.report("n1", gpus=gpus(2, [] if well else [1]))
            await beat(house)
        assert house.scheduler.drained == {}


async def test_a_login_that_may_not_drain(house: House) -> None:
    """Heartbeats go on, the node is not sold, and the operator learns it once."""
    house.scheduler.may_drain = False
    hold(house)
    hold(house, "n2")
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            await beat(house)
        house.scheduler.may_drain = True
        await beat(house)
    assert not (await node(house)).active
    events = [line["event"] for line in logged if line["event"].startswith("node_drain")]
    assert events == ["node_drain_failed", "node_drained", "node_drained", "node_drains_work_again"]
    assert set(house.scheduler.drained) == {"n1", "n2"}


async def test_utilisation_costs_no_transaction(house: House, agents: FakeAgents) -> None:
    """Polled every 20 s, unchanged nodes with agents are reported as rarely as others."""
    waiting: list[Sequence[str]] = []
    for number in range(4):
        agents.report("n1", replace(WELL, cpu_utilization_percent=number * 9, uptime_seconds=number))
        house.chain.block(seconds=18)
        await house.heartbeat.tick()
        waiting.append([each.subject for each in house.ledger.waiting_messages(PROVIDER.address)])
        for _ in range(2):
            await house.report()
    assert [len(each) for each in waiting] == [2, 0, 0, 0]


async def test_a_new_agent_is_a_change(house: House, agents: FakeAgents) -> None:
    """Its node is reported at the next poll, and it alone."""
    await beat(house, 20)
    agents.report("n2")
    await house.heartbeat.tick()
    (message,) = house.ledger.waiting_messages(PROVIDER.address)
    assert (message.subject, heartbeat_facts(message.body).agent_pubkey) == ("alpha.n2", KEY)


async def test_measurements_name_the_nodes_as_the_chain_does(house: House, agents: FakeAgents) -> None:
    """A neighbour that the chain gave up has another id there by now."""
    with house.ledger.write():
        house.ledger.set(meta.node_id("alpha.n2"), "alpha.n2~2")
    agents.report("n1")
    await beat(house)
    (measured,) = (await node(house)).latency_measurements
    assert measured.target_node_id == "alpha.n2~2"
