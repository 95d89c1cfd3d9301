"""The scheduling decision that is recorded with a job, and the event that tells of it (MODULE.md, 'Scheduling')."""

from collections.abc import Sequence

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet import scoring, tenants
from provider_daemon.devnet.context import Context

Candidate = types_pb2.ClusterCandidate


def decide(ctx: Context, job: types_pb2.HPCJob) -> None:
    """Stores a decision when some cluster suits. It is never written on the job, and may name another provider's cluster."""
    params = ctx.params()
    weights = scoring.Weights(int(params.latency_weight_factor), int(params.capacity_weight_factor))
    candidates = scoring.candidates(job, _offers(ctx, job), weights, age=0)
    eligible = [candidate for candidate in candidates if candidate.eligible]
    if not eligible:
        return
    near = [candidate for candidate in eligible if candidate.avg_latency_ms <= params.max_latency_ms]
    fallback = "" if near or not params.enable_proximity_clustering else f"no eligible cluster within {params.max_latency_ms} ms"
    _record(ctx, job, candidates, _best(near if near and params.enable_proximity_clustering else eligible), fallback)


def _offers(ctx: Context, job: types_pb2.HPCJob) -> list[scoring.Offer]:
    latencies: dict[str, list[int]] = {}
    for node in ctx.every(types_pb2.NodeMetadata, keyspace.NODE):
        if node.state == types_pb2.NODE_STATE_ACTIVE:
            latencies.setdefault(node.cluster_id, []).append(node.avg_latency_ms)
    clusters = ctx.every(types_pb2.HPCCluster, keyspace.CLUSTER)
    return [_offer(ctx, job, cluster, latencies.get(cluster.cluster_id, [])) for cluster in clusters]


def _offer(ctx: Context, job: types_pb2.HPCJob, cluster: types_pb2.HPCCluster, latencies: Sequence[int]) -> scoring.Offer:
    held = tenants.tally(ctx, job.customer_address, cluster.cluster_id)
    mean = sum(latencies) // len(latencies) if latencies else 0
    return scoring.Offer(cluster, mean, tenants.quotas(held, cluster, job.resources))


def _best(candidates: Sequence[Candidate]) -> Candidate:
    return min(candidates, key=lambda candidate: (-int(candidate.combined_score), candidate.cluster_id))


def _record(ctx: Context, job: types_pb2.HPCJob, candidates: Sequence[Candidate], best: Candidate, fallback: str) -> None:
    decision_id = f"hpc-decision-{ctx.next_id(keyspace.NEXT_DECISION)}"
    decision = types_pb2.SchedulingDecision(
        decision_id=decision_id,
        job_id=job.job_id,
        selected_cluster_id=best.cluster_id,
        candidate_clusters=candidates,
        decision_reason="highest combined score",
        is_fallback=bool(fallback),
        fallback_reason=fallback,
        latency_score=best.latency_score,
        capacity_score=best.capacity_score,
        combined_score=best.combined_score,
        created_at=ctx.now,
        block_height=ctx.height,
        priority_score=best.priority_score,
        fair_share_score=best.fair_share_score,
        age_score=best.age_score,
        job_size_score=best.job_size_score,
        partition_score=best.partition_score,
        quota_burst_used=best.quota_burst_used,
    )
    ctx.store(keyspace.DECISION, decision_id, decision)
    attributes = {"job_id": job.job_id, "decision_id": decision_id, "cluster_id": best.cluster_id}
    ctx.events.append(("hpc_scheduling_decision", attributes))
