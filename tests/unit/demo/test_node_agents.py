"""What the demo wants of the nodes on chain."""

import pytest

from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import NodeHardware, NodeMetadata
from provider_daemon.demo.node_agents import problems_of

WITH_AGENT = {"n1"}


def with_agent(host: str) -> NodeMetadata:
    hardware = NodeHardware(cpu_model="EPYC")
    return NodeMetadata(
        node_id=f"demo.{host}", active=True, agent_pubkey="key", hardware_fingerprint="abc", hardware=hardware
    )


def without(host: str) -> NodeMetadata:
    return NodeMetadata(node_id=f"demo.{host}", active=True)


def test_a_mixed_site() -> None:
    assert problems_of([with_agent("n1"), without("n2")], WITH_AGENT) == []


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ([without("n2")], "n1: not on chain"),
        ([without("n1")], "n1: lacks an agent's key on chain"),
        ([with_agent("n1"), with_agent("n2")], "n2: has an agent's key on chain"),
        ([NodeMetadata(node_id="demo.n1")], "n1: not active on chain"),
    ],
)
def test_what_is_wrong(nodes: list[NodeMetadata], problem: str) -> None:
    assert problem in problems_of(nodes, WITH_AGENT)
