"""The chain's record of a compute node: SLURM's part and the agent's, merged into one heartbeat. Pure.

SLURM decides whether a node takes jobs and what of it is allocated. The agent decides what the node is
(identity, hardware, topology, locality) and how it is (health, utilisation, latency).
"""

import typing
from collections.abc import Callable
from dataclasses import dataclass, fields

from google.protobuf.any_pb2 import Any

from provider_daemon.chain import codec
from provider_daemon.chain.messages import pack
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.job.usage import MIB_PER_GB
from provider_daemon.nodes.facts import AgentFacts
from provider_daemon.nodes.hold import HoldSource
from provider_daemon.nodes.report import (
    Capacity,
    Hardware,
    Health,
    HealthStatus,
    LatencyMeasurement,
    Locality,
    Topology,
)
from provider_daemon.ports import Node

US_PER_MS = 1000
NS_PER_SECOND = 10**9
_STATUS = {
    HealthStatus.HEALTHY: types_pb2.HEALTH_STATUS_HEALTHY,
    HealthStatus.DEGRADED: types_pb2.HEALTH_STATUS_DEGRADED,
    HealthStatus.UNHEALTHY: types_pb2.HEALTH_STATUS_UNHEALTHY,
    HealthStatus.DRAINING: types_pb2.HEALTH_STATUS_DRAINING,
    HealthStatus.OFFLINE: types_pb2.HEALTH_STATUS_OFFLINE,
}

_IDENTITY = frozenset(
    {"agent_pubkey", "hardware_fingerprint", "agent_version", "hardware", "topology", "locality"}
)


@dataclass(frozen=True, slots=True)
class AgentReport:
    """The agent of a node. While it is `silent`, only what does not change is taken from its last report.

    `chain_id`: maps an agent's node id to the id that the node has on chain now.
    """

    facts: AgentFacts
    silent: bool
    chain_id: Callable[[str], str]


def update_node_metadata(
    node: Node,
    *,
    provider: str,
    node_id: str,
    cluster_id: str,
    region: str,
    datacenter: str,
    sequence: int,
    agent: AgentReport | None = None,
) -> Any:
    """Returns a heartbeat.

    Resources are what is available, not the total (docs/protocol.md, 'Nodes'); the chain replaces the whole
    record. `sequence` is the daemon's own: it grows also while the agent is silent.
    """
    status = _status(node, agent)
    message = tx_pb2.MsgUpdateNodeMetadata(
        provider_address=provider,
        node_id=node_id,
        cluster_id=cluster_id,
        region=region,
        datacenter=datacenter,
        active=node.sellable,
        state=types_pb2.NODE_STATE_ACTIVE if node.sellable else types_pb2.NODE_STATE_OFFLINE,
        health_status=status,
        last_sequence_number=sequence,
        capacity=_capacity(node),
        health=types_pb2.NodeHealth(status=status, load_average_1m=node.load, slurm_state=node.slurm_state),
    )
    if agent:
        _add_identity(message, agent.facts)
        if not agent.silent:
            _add_live_figures(message, agent)
    message.resources.CopyFrom(_resources(message.capacity))
    return pack(message)


def with_identity(body: Any, before: bytes) -> Any:
    """Returns a heartbeat with what the stored one before says of the node's agent and hardware."""
    message, old = tx_pb2.MsgUpdateNodeMetadata(), tx_pb2.MsgUpdateNodeMetadata()
    body.Unpack(message)
    Any.FromString(before).Unpack(old)
    for field, value in old.ListFields():
        if field.name in _IDENTITY:
            message.MergeFrom(tx_pb2.MsgUpdateNodeMetadata(**{field.name: value}))
    return pack(message)


def heartbeat_facts(body: bytes) -> tx_pb2.MsgUpdateNodeMetadata:
    """Returns what a stored heartbeat says about its node, without what changes all the time.

    That is the sequence, load, utilisation, temperatures, error counts, latency and free storage.
    A degraded node counts as healthy: utilisation decides between the two.
    """
    message = tx_pb2.MsgUpdateNodeMetadata()
    Any.FromString(body).Unpack(message)
    if message.health_status == types_pb2.HEALTH_STATUS_DEGRADED:
        message.health_status = types_pb2.HEALTH_STATUS_HEALTHY
    message.health.CopyFrom(types_pb2.NodeHealth(slurm_state=message.health.slurm_state))
    message.ClearField("last_sequence_number")
    message.ClearField("latency_measurements")
    message.resources.ClearField("storage_gb")
    message.capacity.ClearField("storage_gb_available")
    message.capacity.ClearField("storage_gb_allocated")
    return message


def _status(node: Node, agent: AgentReport | None) -> types_pb2.HealthStatus.ValueType:
    if HoldSource.OPERATOR in node.holds:
        return types_pb2.HEALTH_STATUS_DRAINING
    if not (node.usable or node.draining):
        return types_pb2.HEALTH_STATUS_OFFLINE
    if node.holds:
        return types_pb2.HEALTH_STATUS_UNHEALTHY
    if node.draining:
        return types_pb2.HEALTH_STATUS_DRAINING
    if agent is None or agent.silent or agent.facts.heartbeat is None:
        return types_pb2.HEALTH_STATUS_HEALTHY
    return _STATUS[agent.facts.heartbeat.health.status]


def _add_identity(message: tx_pb2.MsgUpdateNodeMetadata, facts: AgentFacts) -> None:
    message.agent_pubkey = facts.public_key
    message.hardware_fingerprint = facts.fingerprint
    message.agent_version = facts.agent_version
    if facts.hardware:
        message.hardware.CopyFrom(types_pb2.NodeHardware(**_fields(facts.hardware)))
    if facts.topology:
        message.topology.CopyFrom(types_pb2.NodeTopology(**_fields(facts.topology)))
    if facts.locality:
        message.locality.CopyFrom(types_pb2.NodeLocality(**_fields(facts.locality)))


def _fields(part: Hardware | Topology | Locality | Health) -> dict[str, typing.Any]:
    """Returns the fields by name. They are flat, and `dataclasses.asdict` would copy each one deeply."""
    return {field.name: getattr(part, field.name) for field in fields(part)}


def _add_live_figures(message: tx_pb2.MsgUpdateNodeMetadata, agent: AgentReport) -> None:
    heartbeat = agent.facts.heartbeat
    if heartbeat is None:
        return
    health = types_pb2.NodeHealth(**{**_fields(heartbeat.health), "status": message.health_status})
    # SLURM's own answer, not what the node believes of it.
    health.slurm_state = message.health.slurm_state
    health.load_average_1m = health.load_average_1m or message.health.load_average_1m
    message.health.CopyFrom(health)
    message.latency_measurements.extend(
        _latency(each, agent.chain_id) for each in heartbeat.latency.measurements
    )
    _add_storage(message.capacity, heartbeat.capacity)


def _add_storage(target: types_pb2.NodeCapacity, capacity: Capacity) -> None:
    """SLURM does not report the node's storage."""
    target.storage_gb_total = capacity.storage_gb_total
    target.storage_gb_available = min(capacity.storage_gb_available, capacity.storage_gb_total)
    target.storage_gb_allocated = capacity.storage_gb_allocated


def _latency(measured: LatencyMeasurement, chain_id: Callable[[str], str]) -> types_pb2.LatencyMeasurement:
    """An unreadable time is left out: the latency is still right."""
    found = types_pb2.LatencyMeasurement(
        target_node_id=chain_id(measured.target_node_id), latency_ms=measured.latency_us // US_PER_MS
    )
    try:
        seconds, nanos = divmod(codec.parse_time(measured.measured_at), NS_PER_SECOND)
    except ValueError:
        return found
    found.measured_at.seconds, found.measured_at.nanos = seconds, nanos
    return found


def _resources(capacity: types_pb2.NodeCapacity) -> types_pb2.NodeResources:
    return types_pb2.NodeResources(
        cpu_cores=capacity.cpu_cores_available,
        memory_gb=capacity.memory_gb_available,
        gpus=capacity.gpus_available,
        gpu_type=capacity.gpu_type,
        storage_gb=capacity.storage_gb_available,
    )


def _capacity(node: Node) -> types_pb2.NodeCapacity:
    memory, taken = node.memory_mib // MIB_PER_GB, -(-node.memory_allocated_mib // MIB_PER_GB)
    return types_pb2.NodeCapacity(
        cpu_cores_total=node.cpus,
        cpu_cores_available=max(0, node.cpus - node.cpus_allocated),
        cpu_cores_allocated=node.cpus_allocated,
        memory_gb_total=memory,
        memory_gb_available=max(0, memory - taken),
        memory_gb_allocated=taken,
        gpus_total=node.gpus,
        gpus_available=node.gpus_free,
        gpus_allocated=node.gpus_allocated,
        gpu_type=node.gpu_type,
    )
