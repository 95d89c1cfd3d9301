"""Sums of the scheduling decisions for a queue of a cluster."""

from collections.abc import Sequence

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2

AVERAGED = ("latency", "capacity", "combined", "priority", "fair_share", "age", "job_size", "partition")


def summary(
    cluster_id: str, queue_name: str, decisions: Sequence[types_pb2.SchedulingDecision]
) -> types_pb2.SchedulingMetrics:
    """Returns the sums.

    `decisions`: those that chose the cluster for a job of the queue, oldest first. Averages are whole
    numbers, truncated.
    """
    metrics = types_pb2.SchedulingMetrics(
        cluster_id=cluster_id,
        queue_name=queue_name,
        total_decisions=len(decisions),
        quota_burst_used=sum(decision.quota_burst_used for decision in decisions),
    )
    for name in AVERAGED if decisions else ():
        total = sum(int(getattr(decision, f"{name}_score")) for decision in decisions)
        setattr(metrics, f"avg_{name}_score", str(total // len(decisions)))
    if decisions:
        metrics.last_decision_at.CopyFrom(decisions[-1].created_at)
        metrics.block_height = decisions[-1].block_height
    return metrics
