"""Compute nodes: heartbeats, missed heartbeats, and the cluster's state (docs/protocol.md, 'Every block')."""

from provider_daemon.chain import codec, keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.devnet.clusters import owned_cluster
from provider_daemon.devnet.context import Context
from provider_daemon.devnet.failures import INVALID_NODE, NODE_DEREGISTERED, STALE_HEARTBEAT, ChainError

_S, _H = types_pb2.NodeState, types_pb2.HealthStatus
TRANSITIONS: dict[int, frozenset[int]] = {
    _S.NODE_STATE_PENDING: frozenset(
        {_S.NODE_STATE_ACTIVE, _S.NODE_STATE_OFFLINE, _S.NODE_STATE_DEREGISTERED}
    ),
    _S.NODE_STATE_ACTIVE: frozenset(
        {_S.NODE_STATE_STALE, _S.NODE_STATE_DRAINING, _S.NODE_STATE_OFFLINE, _S.NODE_STATE_DEREGISTERED}
    ),
    _S.NODE_STATE_STALE: frozenset({_S.NODE_STATE_ACTIVE, _S.NODE_STATE_OFFLINE, _S.NODE_STATE_DEREGISTERED}),
    _S.NODE_STATE_DRAINING: frozenset(
        {_S.NODE_STATE_DRAINED, _S.NODE_STATE_OFFLINE, _S.NODE_STATE_DEREGISTERED}
    ),
    _S.NODE_STATE_DRAINED: frozenset(
        {_S.NODE_STATE_ACTIVE, _S.NODE_STATE_OFFLINE, _S.NODE_STATE_DEREGISTERED}
    ),
    _S.NODE_STATE_OFFLINE: frozenset(
        {_S.NODE_STATE_ACTIVE, _S.NODE_STATE_PENDING, _S.NODE_STATE_DEREGISTERED}
    ),
    _S.NODE_STATE_DEREGISTERED: frozenset(),
}

# Seconds without a heartbeat after which a node is offline. It goes stale before that, by the parameter
# node_heartbeat_timeout.
OFFLINE_SECONDS = 300
DEREGISTERED_SECONDS = 3600
_COPIED = (
    "node_id", "cluster_id", "provider_address", "region", "datacenter", "network_bandwidth_mbps", "active",
    "health_status",
    "agent_pubkey", "hardware_fingerprint", "agent_version", "last_sequence_number",
)  # fmt: skip
_COPIED_MESSAGES = frozenset({"resources", "capacity", "health", "hardware", "topology", "locality"})


def update_node_metadata(
    ctx: Context, message: tx_pb2.MsgUpdateNodeMetadata
) -> tx_pb2.MsgUpdateNodeMetadataResponse:
    """Replaces the whole record. Node ids are global."""
    owned_cluster(ctx, message.cluster_id, message.provider_address)
    before = ctx.load(types_pb2.NodeMetadata, keyspace.NODE, message.node_id)
    if before and before.state == _S.NODE_STATE_DEREGISTERED and not ctx.rules.has_quirks:
        raise ChainError(NODE_DEREGISTERED, message.node_id)
    state = _next_state(message, before)
    node = types_pb2.NodeMetadata(
        state=state, last_heartbeat=ctx.now, updated_at=ctx.now, block_height=ctx.height
    )
    node.latency_measurements.extend(message.latency_measurements)
    node.avg_latency_ms = _mean([measured.latency_ms for measured in message.latency_measurements])
    for name in _COPIED:
        setattr(node, name, getattr(message, name))
    for field, value in message.ListFields():
        if field.name in _COPIED_MESSAGES:
            getattr(node, field.name).CopyFrom(value)
    node.resources.SetInParent()
    node.joined_at.CopyFrom(before.joined_at if before else ctx.now)
    changed = before is None or before.state != state
    ctx.store(
        keyspace.NODE,
        message.node_id,
        node,
        {"state_changed_at": codec.format_time(ctx.time) if changed else codec.ZERO_TIME},
    )
    return tx_pb2.MsgUpdateNodeMetadataResponse()


def _next_state(
    message: tx_pb2.MsgUpdateNodeMetadata, before: types_pb2.NodeMetadata | None
) -> types_pb2.NodeState.ValueType:
    unspecified = message.state == _S.NODE_STATE_UNSPECIFIED
    wanted = _S.NODE_STATE_ACTIVE if unspecified and message.active else message.state
    if before is None:
        return wanted or _S.NODE_STATE_PENDING
    if wanted != before.state and wanted not in TRANSITIONS[before.state]:
        raise ChainError(
            INVALID_NODE, f"invalid state transition from {_word(before.state)} to {_word(wanted)}"
        )
    if 0 < message.last_sequence_number <= before.last_sequence_number:
        raise ChainError(
            STALE_HEARTBEAT,
            f"sequence {message.last_sequence_number} not greater than {before.last_sequence_number}",
        )
    return wanted


def _mean(values: list[int]) -> int:
    return sum(values) // len(values) if values else 0


def _word(state: types_pb2.NodeState.ValueType) -> str:
    """Returns a state's name; empty for none, because the chain's own record has no name for it either."""
    return "" if state == _S.NODE_STATE_UNSPECIFIED else _S.Name(state).removeprefix("NODE_STATE_").lower()


# --- every block ---


def age_nodes(ctx: Context) -> None:
    stale = ctx.params().node_heartbeat_timeout
    for node in ctx.every(types_pb2.NodeMetadata, keyspace.NODE):
        state = _aged(node.state, ctx.since(node.last_heartbeat), stale)
        if state is not None and state in TRANSITIONS[node.state]:
            _age(ctx, node, state)


def _aged(
    state: types_pb2.NodeState.ValueType, silent: int, stale_seconds: int
) -> types_pb2.NodeState.ValueType | None:
    """Returns the next state of a node, or None if it keeps its state. `silent` is in nanoseconds.

    Only an offline node is deregistered, so that this takes two blocks after a halt of the chain.
    """
    if state == _S.NODE_STATE_OFFLINE:
        return _S.NODE_STATE_DEREGISTERED if silent > DEREGISTERED_SECONDS * 10**9 else None
    ages = ((OFFLINE_SECONDS, _S.NODE_STATE_OFFLINE), (stale_seconds, _S.NODE_STATE_STALE))
    return next((following for seconds, following in ages if silent > seconds * 10**9), None)


def _age(ctx: Context, node: types_pb2.NodeMetadata, state: types_pb2.NodeState.ValueType) -> None:
    extras = ctx.extras(keyspace.NODE, node.node_id, codec.EXTRAS["NodeMetadata"])
    node.state = state
    node.active = state == _S.NODE_STATE_STALE  # a stale node keeps active:true
    if state != _S.NODE_STATE_DEREGISTERED:
        node.health_status = (
            _H.HEALTH_STATUS_DEGRADED if state == _S.NODE_STATE_STALE else _H.HEALTH_STATUS_OFFLINE
        )
        extras["missed_heartbeat_count"] += 1
        extras["total_missed_heartbeats"] += 1
    node.updated_at.CopyFrom(ctx.now)
    ctx.store(keyspace.NODE, node.node_id, node, {**extras, "state_changed_at": codec.format_time(ctx.time)})


def count_clusters(ctx: Context) -> None:
    """Sums up the active nodes of each cluster (total_nodes is not recomputed).

    A cluster without heartbeats goes offline.
    """
    nodes: dict[str, list[types_pb2.NodeMetadata]] = {}
    for node in ctx.every(types_pb2.NodeMetadata, keyspace.NODE):
        nodes.setdefault(node.cluster_id, []).append(node)
    for cluster in ctx.every(types_pb2.HPCCluster, keyspace.CLUSTER):
        if cluster.cluster_id in nodes or (
            ctx.rules.has_quirks and cluster.state != types_pb2.CLUSTER_STATE_DEREGISTERED
        ):
            _count(ctx, cluster, nodes.get(cluster.cluster_id, []))


def _count(ctx: Context, cluster: types_pb2.HPCCluster, nodes: list[types_pb2.NodeMetadata]) -> None:
    before = cluster.SerializeToString(deterministic=True)
    active = [node for node in nodes if node.state == _S.NODE_STATE_ACTIVE]
    cluster.available_nodes = len(active) if ctx.rules.has_quirks else min(len(active), cluster.total_nodes)
    metadata = cluster.cluster_metadata
    metadata.total_cpu_cores = sum(node.resources.cpu_cores for node in active)
    metadata.total_memory_gb = sum(node.resources.memory_gb for node in active)
    metadata.total_gpus = sum(node.resources.gpus for node in active)
    metadata.total_storage_gb = sum(node.resources.storage_gb for node in active)
    if cluster.state == types_pb2.CLUSTER_STATE_ACTIVE and _silent(ctx, cluster, nodes):
        cluster.state = types_pb2.CLUSTER_STATE_OFFLINE
    if ctx.rules.has_quirks:
        cluster.updated_at.CopyFrom(ctx.now)
    if cluster.SerializeToString(deterministic=True) != before:
        ctx.store(keyspace.CLUSTER, cluster.cluster_id, cluster)


def _silent(ctx: Context, cluster: types_pb2.HPCCluster, nodes: list[types_pb2.NodeMetadata]) -> bool:
    """Reports whether the cluster had no sign of life within cluster_heartbeat_timeout.

    The published chain rewrites every cluster in each block and uses the time of that write, so that there
    only a halt of the chain makes a cluster silent.
    """
    heard = [cluster.updated_at] if ctx.rules.has_quirks else [node.last_heartbeat for node in nodes]
    return all(ctx.since(moment) > ctx.params().cluster_heartbeat_timeout * 10**9 for moment in heard)
