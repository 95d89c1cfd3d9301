"""Clusters and offerings: their messages (docs/protocol.md, 'Clusters and offerings')."""

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.devnet import prices
from provider_daemon.devnet.context import Context
from provider_daemon.devnet.failures import (
    CLUSTER_NOT_FOUND,
    INVALID_CLUSTER,
    OFFERING_NOT_FOUND,
    UNAUTHORIZED,
    ChainError,
)


def register_cluster(ctx: Context, message: tx_pb2.MsgRegisterCluster) -> tx_pb2.MsgRegisterClusterResponse:
    cluster_id = f"HPC-{ctx.next_id(keyspace.NEXT_CLUSTER)}"
    cluster = types_pb2.HPCCluster(
        cluster_id=cluster_id,
        provider_address=message.provider_address,
        name=message.name,
        description=message.description,
        state=types_pb2.CLUSTER_STATE_PENDING,
        partitions=message.partitions,
        total_nodes=message.total_nodes,
        available_nodes=message.total_nodes,
        region=message.region,
        cluster_metadata=message.cluster_metadata,
        slurm_version=message.slurm_version,
        created_at=ctx.now,
        updated_at=ctx.now,
        block_height=ctx.height,
    )
    ctx.store(keyspace.CLUSTER, cluster_id, cluster)
    return tx_pb2.MsgRegisterClusterResponse(cluster_id=cluster_id)


def update_cluster(ctx: Context, message: tx_pb2.MsgUpdateCluster) -> tx_pb2.MsgUpdateClusterResponse:
    cluster = owned_cluster(ctx, message.cluster_id, message.provider_address)
    for name in ("name", "description", "state", "total_nodes", "available_nodes"):
        if value := getattr(message, name):
            setattr(cluster, name, value)
    if message.partitions:
        del cluster.partitions[:]
        cluster.partitions.extend(message.partitions)
    if message.HasField("cluster_metadata"):
        cluster.cluster_metadata.CopyFrom(message.cluster_metadata)
    if cluster.available_nodes > cluster.total_nodes:
        raise ChainError(INVALID_CLUSTER, "available_nodes cannot exceed total_nodes")
    _save(ctx, cluster)
    return tx_pb2.MsgUpdateClusterResponse()


def deregister_cluster(
    ctx: Context, message: tx_pb2.MsgDeregisterCluster
) -> tx_pb2.MsgDeregisterClusterResponse:
    cluster = owned_cluster(ctx, message.cluster_id, message.provider_address)
    cluster.state = types_pb2.CLUSTER_STATE_DEREGISTERED
    _save(ctx, cluster)
    return tx_pb2.MsgDeregisterClusterResponse()


def create_offering(ctx: Context, message: tx_pb2.MsgCreateOffering) -> tx_pb2.MsgCreateOfferingResponse:
    owned_cluster(ctx, message.cluster_id, message.provider_address)
    offering_id = f"OFF-{ctx.next_id(keyspace.NEXT_OFFERING)}"
    offering = types_pb2.HPCOffering(
        offering_id=offering_id,
        cluster_id=message.cluster_id,
        provider_address=message.provider_address,
        name=message.name,
        description=message.description,
        queue_options=message.queue_options,
        pricing=message.pricing,
        required_identity_threshold=message.required_identity_threshold,
        max_runtime_seconds=message.max_runtime_seconds,
        preconfigured_workloads=message.preconfigured_workloads,
        supports_custom_workloads=message.supports_custom_workloads,
        active=True,
        created_at=ctx.now,
        updated_at=ctx.now,
        block_height=ctx.height,
    )
    prices.check(ctx, offering)
    ctx.store(keyspace.OFFERING, offering_id, offering)
    return tx_pb2.MsgCreateOfferingResponse(offering_id=offering_id)


def update_offering(ctx: Context, message: tx_pb2.MsgUpdateOffering) -> tx_pb2.MsgUpdateOfferingResponse:
    offering = ctx.load(types_pb2.HPCOffering, keyspace.OFFERING, message.offering_id)
    if offering is None:
        raise ChainError(OFFERING_NOT_FOUND, message.offering_id)
    if offering.provider_address != message.provider_address:
        raise ChainError(UNAUTHORIZED, f"{message.provider_address} does not own {message.offering_id}")
    for name in ("name", "description", "required_identity_threshold", "max_runtime_seconds"):
        if value := getattr(message, name):
            setattr(offering, name, value)
    for name in ("queue_options", "preconfigured_workloads"):
        if values := getattr(message, name):
            del getattr(offering, name)[:]
            getattr(offering, name).extend(values)
    if message.HasField("pricing"):
        offering.pricing.CopyFrom(message.pricing)
    offering.supports_custom_workloads = message.supports_custom_workloads
    offering.active = message.active  # always applied: leaving it out deactivates
    offering.updated_at.CopyFrom(ctx.now)
    prices.check(ctx, offering)
    ctx.store(keyspace.OFFERING, message.offering_id, offering)
    return tx_pb2.MsgUpdateOfferingResponse()


def owned_cluster(ctx: Context, cluster_id: str, owner: str) -> types_pb2.HPCCluster:
    cluster = ctx.load(types_pb2.HPCCluster, keyspace.CLUSTER, cluster_id)
    if cluster is None:
        raise ChainError(CLUSTER_NOT_FOUND, cluster_id)
    if cluster.provider_address != owner:
        raise ChainError(UNAUTHORIZED, f"{owner} does not own {cluster_id}")
    return cluster


def _save(ctx: Context, cluster: types_pb2.HPCCluster) -> None:
    cluster.updated_at.CopyFrom(ctx.now)
    ctx.store(keyspace.CLUSTER, cluster.cluster_id, cluster)
