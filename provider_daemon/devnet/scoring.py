"""The score of a cluster for a job, in integers of scale 1,000,000 (docs/protocol.md, 'Scheduling').

No I/O.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet.tenants import Quota

SCALE = 1_000_000
AGE_SECONDS = 3_600  # of waiting: a job this old has the full age score
TOP_PRIORITY = 1_000  # of a partition
AGE_WEIGHT, SIZE_WEIGHT, PARTITION_WEIGHT = 400_000, 300_000, 300_000
# the longest run time of a job that may start before one of a higher priority
BACKFILL_SECONDS = 1_800
QUOTA_REASON = "over the tenant's quota"


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of the base score, from the module's parameters."""

    latency: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A candidate cluster.

    It has the mean latency in ms, the tenant's quotas on it, and whether a job of a higher priority waits
    there.
    """

    cluster: types_pb2.HPCCluster
    latency_ms: int
    quotas: Sequence[Quota]
    is_behind: bool = False


@dataclass(frozen=True, slots=True)
class Priority:
    """The priority of a job on a cluster."""

    age: int
    size: int
    partition: int

    @property
    def score(self) -> int:
        return weighted((AGE_WEIGHT, self.age), (SIZE_WEIGHT, self.size), (PARTITION_WEIGHT, self.partition))


def priority(cluster: types_pb2.HPCCluster, queue: str, nodes: int, age: int) -> Priority:
    """Computes a job's priority.

    `age` is the seconds that the job has waited. Jobs that request fewer nodes have a higher priority.
    """
    found = _partition(cluster, queue)
    size = share(cluster.total_nodes - nodes, cluster.total_nodes)
    return Priority(share(age, AGE_SECONDS), size, share(found.priority if found else 0, TOP_PRIORITY))


def candidates(
    job: types_pb2.HPCJob, offers: Sequence[Offer], weights: Weights, age: int
) -> list[types_pb2.ClusterCandidate]:
    slowest = max((offer.latency_ms for offer in offers), default=0)
    most = max((offer.cluster.available_nodes for offer in offers), default=0)
    return [_candidate(job, offer, weights, age, slowest, most) for offer in offers]


def _candidate(
    job: types_pb2.HPCJob, offer: Offer, weights: Weights, age: int, slowest: int, most: int
) -> types_pb2.ClusterCandidate:
    cluster = offer.cluster
    latency = share(slowest - offer.latency_ms, slowest) if slowest else SCALE
    capacity = share(cluster.available_nodes, most)
    base = weighted((weights.latency, latency), (weights.capacity, capacity))
    own = priority(cluster, job.queue_name, job.resources.nodes, age)
    fair = SCALE - max(
        (share(quota.used, quota.limit) for quota in offer.quotas if quota.name != "queued"), default=0
    )
    reason = _unsuitable(job, offer)
    return types_pb2.ClusterCandidate(
        cluster_id=cluster.cluster_id,
        region=cluster.region,
        avg_latency_ms=offer.latency_ms,
        available_nodes=cluster.available_nodes,
        latency_score=str(latency),
        capacity_score=str(capacity),
        combined_score=str((base + own.score + fair) // 3),
        eligible=not reason,
        ineligibility_reason=reason,
        priority_score=str(own.score),
        fair_share_score=str(fair),
        age_score=str(own.age),
        job_size_score=str(own.size),
        partition_score=str(own.partition),
        quota_burst_used=not reason and bool(bursts(offer)),
    )


def bursts(offer: Offer) -> str:
    """Returns the quotas that the job passes only in a burst, as `running 13 of 12`."""
    return ", ".join(
        f"{quota.name} {quota.after} of {quota.limit}" for quota in offer.quotas if quota.after > quota.limit
    )


def share(part: int, whole: int) -> int:
    """Returns part / whole, from 0 to SCALE."""
    return min(SCALE, max(0, SCALE * part // whole)) if whole else 0


def weighted(*parts: tuple[int, int]) -> int:
    return sum(weight * score for weight, score in parts) // SCALE


def _partition(cluster: types_pb2.HPCCluster, queue: str) -> types_pb2.Partition | None:
    return next((partition for partition in cluster.partitions if partition.name == queue), None)


def _unsuitable(job: types_pb2.HPCJob, offer: Offer) -> str:
    """Returns why the cluster cannot accept the job, or ""."""
    cluster, nodes, partition = offer.cluster, job.resources.nodes, _partition(offer.cluster, job.queue_name)
    if cluster.state != types_pb2.CLUSTER_STATE_ACTIVE:
        return "not active"
    if partition and 0 < partition.max_nodes < nodes:
        return "over the queue's nodes"
    if partition and 0 < partition.max_runtime < job.max_runtime_seconds:
        return "over the queue's run time"
    if cluster.available_nodes < nodes:
        return "too few available nodes"
    over = [quota.name for quota in offer.quotas if quota.after > quota.burst]
    if over:
        return f"{QUOTA_REASON}: {', '.join(over)}"
    if offer.is_behind and job.max_runtime_seconds > BACKFILL_SECONDS:
        return f"a job of a higher priority waits: only jobs of at most {BACKFILL_SECONDS} s are let through"
    return ""
