"""Running means of a queue's scheduling decisions, truncated at every step.

They are kept per cluster and over all clusters.
"""

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet.context import Context

EVERYWHERE = "all"  # instead of a cluster's id
AVERAGED = ("latency", "capacity", "combined", "priority", "fair_share", "age", "job_size", "partition")


def load(ctx: Context, cluster_id: str, queue_name: str) -> types_pb2.SchedulingMetrics:
    """Returns the means; all zeros before the first decision."""
    found = ctx.load(types_pb2.SchedulingMetrics, keyspace.SCHEDULING_METRICS, f"{cluster_id}/{queue_name}")
    return found or types_pb2.SchedulingMetrics(cluster_id=cluster_id, queue_name=queue_name)


def add(ctx: Context, queue_name: str, decision: types_pb2.SchedulingDecision) -> None:
    for cluster_id in (decision.selected_cluster_id, EVERYWHERE):
        metrics = load(ctx, cluster_id, queue_name)
        for name in AVERAGED:
            mean, value = (
                int(getattr(metrics, f"avg_{name}_score") or 0),
                int(getattr(decision, f"{name}_score")),
            )
            following = (mean * metrics.total_decisions + value) // (metrics.total_decisions + 1)
            setattr(metrics, f"avg_{name}_score", str(following))
        metrics.total_decisions += 1
        metrics.backfill_used += decision.backfill_used
        metrics.quota_burst_used += decision.quota_burst_used
        _store(ctx, metrics)


def denied(ctx: Context, queue_name: str) -> None:
    """Counts a job that the tenant's quota excludes from every cluster."""
    metrics = load(ctx, EVERYWHERE, queue_name)
    metrics.quota_denied += 1
    _store(ctx, metrics)


def _store(ctx: Context, metrics: types_pb2.SchedulingMetrics) -> None:
    metrics.last_decision_at.CopyFrom(ctx.now)
    metrics.block_height = ctx.height
    ctx.store(keyspace.SCHEDULING_METRICS, f"{metrics.cluster_id}/{metrics.queue_name}", metrics)
