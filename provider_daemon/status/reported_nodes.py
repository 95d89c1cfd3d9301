"""The nodes of a cluster by the heartbeats in the ledger: what SLURM has, and what the chain shows."""

from dataclasses import dataclass

from google.protobuf.any_pb2 import Any

from provider_daemon.chain import messages
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgUpdateNodeMetadata
from provider_daemon.ledger import nodes
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.nodes import StoredHeartbeat
from provider_daemon.nodes.ids import host_of

KEPT_SECONDS = 3600  # how long the ledger has heartbeats that are in a block


@dataclass(frozen=True, slots=True)
class ReportedNode:
    """One node by its newest heartbeat in a block, or else by the one that waits.

    `node_id`: on chain now. `at`: seconds since the epoch; 0, and `state` is "", while none is in a block.
    `slurm_state`: in SLURM. `state` and `health`: on chain, such as active and healthy.
    """

    host: str
    node_id: str
    at: float
    slurm_state: str
    state: str
    health: str
    gpus: int
    gpus_available: int


def reported(ledger: Ledger, cluster_id: str, name: str, now: float) -> dict[str, ReportedNode]:
    """Returns the nodes by host. `name`: the cluster's in the configuration."""
    found = nodes.heartbeats(ledger, now - KEPT_SECONDS)
    read = [_node(each, cluster_id, name) for each in sorted(found, key=lambda each: each.at)]
    return {node.host: node for node in sorted(filter(None, read), key=lambda node: node.host)}


def _node(stored: StoredHeartbeat, cluster_id: str, name: str) -> ReportedNode | None:
    facts = messages.unpack(Any.FromString(stored.body))
    if not isinstance(facts, MsgUpdateNodeMetadata) or facts.cluster_id != cluster_id:
        return None
    return ReportedNode(
        host_of(stored.node_id, name),
        stored.node_id,
        stored.at,
        facts.health.slurm_state,
        _word(types_pb2.NodeState.Name(facts.state), "NODE_STATE_") if stored.at else "",
        _word(types_pb2.HealthStatus.Name(facts.health_status), "HEALTH_STATUS_") if stored.at else "",
        facts.capacity.gpus_total,
        facts.capacity.gpus_available,
    )


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
