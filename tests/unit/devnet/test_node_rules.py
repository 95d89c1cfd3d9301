"""Rules of nodes: their states, their records, how they age and take their cluster with them."""

from typing import Any

import pytest

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import nodes
from tests.fakes.chain import BOB, job
from tests.unit.devnet.pure import Module
from tests.unit.devnet.rules import heartbeat, refused, register, update


@pytest.mark.parametrize("before", sorted(nodes.TRANSITIONS))
@pytest.mark.parametrize("after", sorted(nodes.TRANSITIONS))
def test_node_transitions(shop: Module, before: Any, after: Any) -> None:
    """Exactly those of the table (2109), and nothing after deregistered (2128)."""
    shop.do(heartbeat(state=before))
    if before == t.NODE_STATE_DEREGISTERED:
        assert refused(shop, heartbeat(state=after)) == ("hpc", 2128)
    elif after == before or after in nodes.TRANSITIONS[before]:
        shop.do(heartbeat(state=after))
    else:
        assert refused(shop, heartbeat(state=after)) == ("hpc", 2109)


def test_sequence_numbers(shop: Module) -> None:
    """Above 0 they must grow (2127); 0 starts again."""
    shop.do(heartbeat(last_sequence_number=5))
    assert refused(shop, heartbeat(last_sequence_number=5)) == ("hpc", 2127)
    shop.do(heartbeat(), heartbeat(last_sequence_number=1))


def test_a_known_inactive_node_needs_a_state(shop: Module) -> None:
    """2109; an unknown one becomes pending."""
    shop.do(heartbeat(active=False))
    assert shop.record(keyspace.NODE, "alpha.n1")["state"] == "pending"
    assert refused(shop, heartbeat(active=False)) == ("hpc", 2109)
    shop.do(heartbeat(active=False, state=t.NODE_STATE_OFFLINE))


def test_node_ids_are_global(shop: Module) -> None:
    """Another provider's heartbeat takes the record over."""
    shop.do(heartbeat(node_id="n1"), register(provider_address=BOB.address))
    shop.do(heartbeat(node_id="n1", provider_address=BOB.address, cluster_id="HPC-2"))
    assert shop.record(keyspace.NODE, "n1")["provider_address"] == BOB.address


def test_the_whole_record_is_replaced(shop: Module) -> None:
    """What a later heartbeat leaves out is gone; when it joined stays."""
    shop.do(heartbeat(datacenter="dc1", agent_version="1"))
    joined = shop.record(keyspace.NODE, "alpha.n1")["joined_at"]
    shop.later(10).do(heartbeat())
    record = shop.record(keyspace.NODE, "alpha.n1")
    assert (record["datacenter"], record.get("agent_version"), record["joined_at"]) == ("", None, joined)


def test_ageing(shop: Module) -> None:
    """Stale (still active:true) after 120 s, offline after 300 s, deregistered after an hour; the cluster's
    sums follow."""
    shop.do(heartbeat(resources=t.NodeResources(cpu_cores=64, memory_gb=256, gpus=2, storage_gb=500)))
    shop.later(120)
    record = shop.record(keyspace.CLUSTER, "HPC-1")
    assert (
        record["available_nodes"],
        record["cluster_metadata"]["total_cpu_cores"],
        record["total_nodes"],
    ) == (1, 64, 4)
    seen = [(shop.later(seconds).record(keyspace.NODE, "alpha.n1")) for seconds in (1, 180, 3300)]
    assert [(node["state"], node["active"]) for node in seen] == [
        ("stale", True),
        ("offline", False),
        ("deregistered", False),
    ]
    assert [(node["health_status"], node["total_missed_heartbeats"]) for node in seen] == [
        ("degraded", 1),
        ("offline", 2),
        ("offline", 2),
    ]
    record = shop.record(keyspace.CLUSTER, "HPC-1")
    assert (
        record["available_nodes"],
        record["cluster_metadata"]["total_cpu_cores"],
        record["total_nodes"],
    ) == (0, 0, 4)


def test_a_long_halt_takes_two_blocks(shop: Module) -> None:
    """Two hours without a block: offline first, deregistered by the next."""
    shop.do(heartbeat())
    assert shop.later(7200).record(keyspace.NODE, "alpha.n1")["state"] == "offline"
    assert shop.later(1).record(keyspace.NODE, "alpha.n1")["state"] == "deregistered"


def test_a_stale_node_comes_back(shop: Module) -> None:
    """With its next heartbeat."""
    shop.do(heartbeat())
    shop.later(150).do(heartbeat())
    assert shop.record(keyspace.NODE, "alpha.n1")["state"] == "active"


def test_after_a_halt_everything_is_offline(shop: Module) -> None:
    """400 s without a block: node and cluster are offline, and the owner must send both ACTIVE again."""
    shop.do(heartbeat())
    shop.later(400)
    assert shop.record(keyspace.NODE, "alpha.n1")["state"] == "offline"
    assert shop.record(keyspace.CLUSTER, "HPC-1")["state"] == "offline"
    assert refused(shop, job()) == ("hpc", 2101)
    shop.do(heartbeat(), update(state=t.CLUSTER_STATE_ACTIVE), job())


def test_one_living_node_keeps_the_cluster(shop: Module) -> None:
    """Only when every node is silent is the cluster offline."""
    shop.do(heartbeat(), heartbeat(node_id="alpha.n2"))
    shop.later(200).do(heartbeat())
    shop.later(200)
    assert shop.record(keyspace.NODE, "alpha.n2")["state"] == "offline"
    assert shop.record(keyspace.CLUSTER, "HPC-1")["state"] == "active"
