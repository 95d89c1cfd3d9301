"""What the chain learns of nodes and cluster."""

from dataclasses import replace
from unittest.mock import AsyncMock

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain.node_metadata import heartbeat_facts
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgUpdateNodeMetadata
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import NODE_STATE_OFFLINE, JobResources
from provider_daemon.errors import Transient
from provider_daemon.job.state import State
from provider_daemon.ledger import meta
from provider_daemon.ledger.pause import Pause
from provider_daemon.loops.cluster_updates import update
from provider_daemon.loops.job_records import JobRecords
from provider_daemon.loops.node_ids import node_id
from provider_daemon.loops.outbox import OutboxSettings
from provider_daemon.loops.rejections import Rejections
from provider_daemon.ports import Cluster, Node
from tests.fakes.chain import ALICE, PROVIDER, job
from tests.unit.loops.conftest import House


async def available_nodes(house: House) -> int:
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    return cluster.available_nodes


async def heard(house: House, transactions: int = 1) -> None:
    """One heartbeat, and as many transactions as it takes."""
    await house.heartbeat.tick()
    for _ in range(transactions):
        await house.report()


async def test_heartbeats_count_the_nodes(house: House) -> None:
    """Every node is on chain as <cluster>.<host>, and an offline cluster is made active again."""
    await house.heartbeat.tick()
    await house.report()
    node = await house.chain.client.query.node("alpha.n1")
    assert node is not None
    assert node.resources.cpu_cores == 16
    house.chain.block(seconds=400)
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    assert cluster.state == "offline"
    await house.heartbeat.tick()
    await house.report()
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    assert (cluster.state, cluster.available_nodes) == ("active", 2)


async def test_more_nodes_than_the_chain_thinks(house: House) -> None:
    """total_nodes is raised to what is there, or every later update of the cluster would be refused."""
    house.scheduler.hosts = 6
    await house.heartbeat.tick()
    await house.report()
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    assert (cluster.total_nodes, cluster.available_nodes) == (6, 6)


async def test_more_heartbeats_than_fit_into_the_blocks(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every node has its turn, even if all change at each poll, and blocks take two in six until the next."""
    house.outbox.reconfigure(OutboxSettings(max_messages=1))
    house.scheduler.hosts = 6
    nodes = await house.scheduler.nodes()
    for poll in range(5):
        changed = tuple(replace(node, cpus_allocated=poll) for node in nodes)
        monkeypatch.setattr(house.scheduler, "nodes", AsyncMock(return_value=changed))
        house.chain.block(seconds=28)
        await heard(house)
    known = [await house.chain.client.query.node(f"alpha.n{number}") for number in range(1, 7)]
    assert None not in known


async def sent(house: House, seconds: float) -> list[str]:
    """The nodes that a tick `seconds` later reports."""
    house.chain.block(seconds=seconds - 2)
    await house.heartbeat.tick()
    waiting = [message.subject for message in house.ledger.waiting_messages(PROVIDER.address)]
    for _ in range(2):
        await house.report()  # which takes a second
    return sorted(waiting)


async def test_unchanged_nodes_are_reported_before_they_are_stale(house: House) -> None:
    """Polled every 30 s: at the last poll before three quarters of 120 s."""
    both = ["alpha.n1", "alpha.n2"]
    assert [await sent(house, 30) for _ in range(8)] == [both, [], [], both, [], [], both, []]
    assert await available_nodes(house) == 2


async def test_a_node_that_changed_is_reported_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It alone, and only for what the chain's record needs: its load changes all the time."""
    assert [len(await sent(house, 20)) for _ in range(3)] == [2, 0, 0]
    nodes = await house.scheduler.nodes()
    changed = [replace(nodes[0], load="3.2"), replace(nodes[1], cpus_allocated=nodes[1].cpus_allocated + 1)]
    monkeypatch.setattr(house.scheduler, "nodes", AsyncMock(return_value=tuple(changed)))
    assert await sent(house, 10) == ["alpha.n2"]


async def test_a_change_that_was_undone_is_not_reported(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heartbeat that still waits is replaced, also by one that says what the chain knows already."""
    await sent(house, 20)
    first, second = await house.scheduler.nodes()
    changed = (first, replace(second, usable=False, draining=True))
    for nodes in (changed, (first, second)):
        monkeypatch.setattr(house.scheduler, "nodes", AsyncMock(return_value=nodes))
        house.chain.block(seconds=10)
        await house.heartbeat.tick()
    (waiting,) = house.ledger.waiting_messages(PROVIDER.address)
    assert heartbeat_facts(waiting.body).active


async def test_a_drained_node_is_reported_rarely(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is offline on chain; only its deregistration, an hour later, has to be prevented."""
    first, second = await house.scheduler.nodes()
    drained = (first, replace(second, usable=False, draining=True))
    monkeypatch.setattr(house.scheduler, "nodes", AsyncMock(return_value=drained))
    reports = [each for _ in range(60) for each in await sent(house, 60)]
    assert (reports.count("alpha.n1"), reports.count("alpha.n2")) == (60, 3)
    node = await house.chain.client.query.node("alpha.n2")
    assert node is not None
    assert node.state == NODE_STATE_OFFLINE


async def test_what_the_chain_lost_is_reported_again(house: House) -> None:
    """After a halt the chain counts fewer nodes than it has confirmed: all are due, whatever their age."""
    for seconds in (20, 20, 20):
        await sent(house, seconds)
    assert await sent(house, 10) == []
    house.chain.block(seconds=200)
    house.chain.clock.time -= 190
    assert await sent(house, 10) == ["alpha.n1", "alpha.n2"]


@pytest.mark.parametrize("in_block", [True, False])
async def test_what_enters_a_block_during_a_poll_is_not_lost(
    house: House, monkeypatch: pytest.MonkeyPatch, in_block: bool
) -> None:
    """The chain was asked before: that it counts fewer nodes is no reason to report all of them again."""
    await heard(house, 2)
    house.scheduler.hosts = 4
    await house.heartbeat.tick()
    nodes = await house.scheduler.nodes()

    async def slowly() -> tuple[Node, ...]:
        await house.outbox.tick()
        if in_block:
            house.chain.block()
            await house.outbox.tick()
        return nodes

    monkeypatch.setattr(house.scheduler, "nodes", slowly)
    house.chain.block(seconds=20)
    await house.heartbeat.tick()
    assert house.ledger.waiting_messages(PROVIDER.address) == []


@pytest.mark.parametrize("compat", ["report", "published"])
async def test_nodes_that_the_chain_gave_up(house: House, compat: str) -> None:
    """After an hour of silence no message brings a node's id back (2128, or 2109 as published): its host goes
    on under the next id.

    So again after each such hour, and nothing is said twice about it.
    """
    house.chain.devnet.blocks.rules = replace(house.chain.devnet.blocks.rules, compat=compat)
    await heard(house)
    for generation in (2, 3):
        house.chain.block(seconds=3700)
        house.chain.block()
        with structlog.testing.capture_logs() as said:
            for _ in range(3):
                await heard(house)
        assert [line["node"] for line in said if line["event"] == "node_deregistered"] == [
            f"alpha.{host}" + (f"~{generation - 1}" if generation > 2 else "") for host in ("n1", "n2")
        ]
        assert await available_nodes(house) == 2
        node = await house.chain.client.query.node(f"alpha.n1~{generation}")
        assert node is not None
        assert node.active


async def test_a_new_ledger_is_not_behind_the_old_ones_heartbeats(house: House) -> None:
    """Sequence numbers must grow: those of a large cluster must not run ahead of the clock, or a lost ledger
    would silence its nodes."""
    house.scheduler.hosts = 200
    for _ in range(5):
        house.chain.block(seconds=60)
        await heard(house, 3)
    house.ledger.close()
    house.path = house.path.with_name("new.sqlite")
    house.open()
    house.chain.block(seconds=60)
    with structlog.testing.capture_logs() as said:
        await heard(house, 3)
    assert [line for line in said if line["event"] == "message_dropped"] == []
    assert await available_nodes(house) == 200


async def test_more_active_nodes_than_ours_on_an_offline_cluster(house: House) -> None:
    """As published every update fails then (2100), the one that brings the cluster back included, unless it
    raises total_nodes."""
    house.chain.devnet.blocks.rules = replace(house.chain.devnet.blocks.rules, compat="published")
    house.chain.block(seconds=400)
    theirs = [
        MsgUpdateNodeMetadata(
            provider_address=PROVIDER.address,
            cluster_id="HPC-1",
            node_id=f"b.n{number}",
            region="eu",
            active=True,
        )
        for number in range(5)
    ]
    assert (await house.chain.send(PROVIDER, *theirs)).ok
    await heard(house)
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    assert (cluster.state, cluster.total_nodes, cluster.available_nodes) == ("active", 5, 7)


async def test_another_refusal_changes_no_id(house: House) -> None:
    """A deregistered cluster, or another's, is for an operator: its nodes keep their ids."""
    await house.heartbeat.tick()
    (first, _) = house.ledger.waiting_messages(PROVIDER.address)
    rejections = Rejections(
        house.ledger,
        JobRecords(house.ledger, house.chain.client, house.chain.clock),
        house.chain.clock,
        lambda: None,
    )
    await rejections.look_into(first, "message index: 0: cluster HPC-1 is deregistered: invalid cluster")
    assert node_id(house.ledger, "alpha", "n1") == "alpha.n1"
    assert [message.subject for message in house.ledger.waiting_messages(PROVIDER.address)] == ["alpha.n2"]


async def test_a_node_that_cannot_be_read_is_no_smaller_cluster(house: House) -> None:
    """Fewer nodes seen than the cluster has on chain: a job that fits the whole cluster is adopted, not
    refused."""
    await house.heartbeat.tick()
    assert len(await house.scheduler.nodes()) < 4
    await house.chain.send(
        ALICE, job(resources=JobResources(nodes=4, cpu_cores_per_node=1, memory_gb_per_node=1))
    )
    await house.intake.tick()
    adopted = house.ledger.job("JOB-1")
    assert adopted is not None
    assert (adopted.state, adopted.message) == (State.PENDING, "")


def pause(house: House, *, over: bool = False) -> None:
    with house.ledger.write():
        house.ledger.set(meta.pause("HPC-1"), Pause("maintenance", "root", house.chain.clock.now(), over))


async def shown_state(house: House) -> str:
    cluster = await house.chain.client.cluster("HPC-1")
    assert cluster is not None
    return cluster.state


async def test_a_paused_cluster_is_draining(house: House) -> None:
    """At once, although SLURM is down, and again after the chain made it offline; then active again, when the
    pause is over and forgotten."""
    pause(house)
    house.scheduler.down = True
    with pytest.raises(Transient):
        await house.heartbeat.tick()
    await house.report()
    assert await shown_state(house) == "draining"
    house.scheduler.down = False
    house.chain.block(seconds=400)
    await heard(house)
    assert await shown_state(house) == "draining"
    pause(house, over=True)
    await heard(house)
    assert await shown_state(house) == "active"
    await heard(house)
    assert house.ledger.get(meta.pause("HPC-1")) is None


@given(
    state=st.sampled_from(["pending", "active", "draining", "offline", "deregistered"]),
    paused=st.sampled_from([None, Pause("", "", 0.0), Pause("", "", 0.0, over=True)]),
    total=st.integers(0, 9),
    available=st.integers(0, 9),
    nodes=st.integers(0, 9),
)
def test_updates_of_a_cluster(
    state: str, paused: Pause | None, total: int, available: int, nodes: int
) -> None:
    """Only a paused cluster is made draining, only offline and formerly paused ones are made active, and
    total_nodes never falls."""
    cluster = Cluster("HPC-1", "ve1", state, "eu", total, available)
    found = update(cluster, nodes, paused)
    is_paused = paused is not None and not paused.over
    assert found.state != "draining" or (is_paused and state in ("active", "offline"))
    assert found.state != "active" or (not is_paused and state in ("draining", "offline"))
    assert found.total_nodes == 0 or found.total_nodes >= max(nodes, total + 1)
    assert max(found.total_nodes, total) >= nodes
    after = replace(cluster, state=found.state or state, total_nodes=max(total, found.total_nodes))
    if paused or state != "draining":
        assert not update(after, nodes, paused)
