"""How well a cluster suits a job, in integers of scale 1,000,000 (MODULE.md, 'Scheduling'). No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet.tenants import Quota

SCALE = 1_000_000
AGE_SECONDS = 3_600  # of waiting: a job this old has the whole age score
TOP_PRIORITY = 1_000  # of a partition
AGE_WEIGHT, SIZE_WEIGHT, PARTITION_WEIGHT = 400_000, 300_000, 300_000


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the base score: from the module's parameters."""

    latency: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A cluster as a candidate: its mean latency in ms, and the tenant's quotas on it."""

    cluster: types_pb2.HPCCluster
    latency_ms: int
    quotas: Sequence[Quota]


def candidates(job: types_pb2.HPCJob, offers: Sequence[Offer], weights: Weights, age: int) -> list[types_pb2.ClusterCandidate]:
    """`age`: seconds that the job has waited."""
    slowest = max((offer.latency_ms for offer in offers), default=0)
    most = max((offer.cluster.available_nodes for offer in offers), default=0)
    return [_candidate(job, offer, weights, age, slowest, most) for offer in offers]


def _candidate(job: types_pb2.HPCJob, offer: Offer, weights: Weights, age: int, slowest: int, most: int) -> types_pb2.ClusterCandidate:
    cluster = offer.cluster
    latency = share(slowest - offer.latency_ms, slowest) if slowest else SCALE
    capacity = share(cluster.available_nodes, most)
    base = weighted((weights.latency, latency), (weights.capacity, capacity))
    aged = share(age, AGE_SECONDS)
    size = share(cluster.total_nodes - job.resources.nodes, cluster.total_nodes)
    partition = _partition(job, cluster)
    rank = share(partition.priority if partition else 0, TOP_PRIORITY)
    priority = weighted((AGE_WEIGHT, aged), (SIZE_WEIGHT, size), (PARTITION_WEIGHT, rank))
    fair = SCALE - max((share(quota.used, quota.limit) for quota in offer.quotas), default=0)
    reason = _unsuitable(job, offer, partition)
    return types_pb2.ClusterCandidate(
        cluster_id=cluster.cluster_id,
        region=cluster.region,
        avg_latency_ms=offer.latency_ms,
        available_nodes=cluster.available_nodes,
        latency_score=str(latency),
        capacity_score=str(capacity),
        combined_score=str((base + priority + fair) // 3),
        eligible=not reason,
        ineligibility_reason=reason,
        priority_score=str(priority),
        fair_share_score=str(fair),
        age_score=str(aged),
        job_size_score=str(size),
        partition_score=str(rank),
        quota_burst_used=any(quota.used + quota.asked > quota.limit for quota in offer.quotas),
    )


def share(part: int, whole: int) -> int:
    """part / whole, from 0 to SCALE."""
    return min(SCALE, max(0, SCALE * part // whole)) if whole else 0


def weighted(*parts: tuple[int, int]) -> int:
    return sum(weight * score for weight, score in parts) // SCALE


def _partition(job: types_pb2.HPCJob, cluster: types_pb2.HPCCluster) -> types_pb2.Partition | None:
    return next((partition for partition in cluster.partitions if partition.name == job.queue_name), None)


def _unsuitable(job: types_pb2.HPCJob, offer: Offer, partition: types_pb2.Partition | None) -> str:
    """Why the cluster cannot take the job; empty when it can."""
    cluster, nodes = offer.cluster, job.resources.nodes
    if cluster.state != types_pb2.CLUSTER_STATE_ACTIVE:
        return "not active"
    if partition and 0 < partition.max_nodes < nodes:
        return "over the queue's nodes"
    if partition and 0 < partition.max_runtime < job.max_runtime_seconds:
        return "over the queue's run time"
    if cluster.available_nodes < nodes:
        return "too few available nodes"
    over = [quota.name for quota in offer.quotas if quota.used + quota.asked > quota.burst]
    return f"over the tenant's quota: {', '.join(over)}" if over else ""
