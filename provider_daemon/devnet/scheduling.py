"""The scheduling decision recorded with a job, and its events (docs/protocol.md, 'Scheduling')."""

from collections.abc import Sequence

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet import scoring, sums, tenants, waiting
from provider_daemon.devnet.context import Context
from provider_daemon.devnet.scoring import Offer

Candidate = types_pb2.ClusterCandidate


def decide(ctx: Context, job: types_pb2.HPCJob) -> str:
    """Stores a decision if a cluster is suitable, and returns its id, else "".

    It may name another provider's cluster.
    """
    params = ctx.params()
    weights = scoring.Weights(int(params.latency_weight_factor), int(params.capacity_weight_factor))
    offers = _offers(ctx, job)
    candidates = scoring.candidates(job, offers, weights, age=0)
    eligible = [candidate for candidate in candidates if candidate.eligible]
    if not eligible:
        if candidates and all(
            candidate.ineligibility_reason.startswith(scoring.QUOTA_REASON) for candidate in candidates
        ):
            sums.denied(ctx, job.queue_name)
        return ""
    near = [candidate for candidate in eligible if candidate.avg_latency_ms <= params.max_latency_ms]
    preferred = near if params.enable_proximity_clustering else []
    best = _best(preferred or eligible)
    (offer,) = (offer for offer in offers if offer.cluster.cluster_id == best.cluster_id)
    fallback = "" if preferred else _fallback(params)
    decision = _decision(ctx, job, candidates, best, offer, fallback)
    ctx.store(keyspace.DECISION, decision.decision_id, decision)
    sums.add(ctx, job.queue_name, decision)
    _tell(ctx, decision)
    return decision.decision_id


def _fallback(params: types_pb2.Params) -> str:
    if not params.enable_proximity_clustering:
        return "proximity clustering is off"
    return f"no eligible cluster within {params.max_latency_ms} ms"


def _offers(ctx: Context, job: types_pb2.HPCJob) -> list[Offer]:
    latencies: dict[str, list[int]] = {}
    for node in ctx.every(types_pb2.NodeMetadata, keyspace.NODE):
        if node.state == types_pb2.NODE_STATE_ACTIVE:
            latencies.setdefault(node.cluster_id, []).append(node.avg_latency_ms)
    clusters = ctx.every(types_pb2.HPCCluster, keyspace.CLUSTER)
    return [_offer(ctx, job, cluster, latencies.get(cluster.cluster_id, [])) for cluster in clusters]


def _offer(
    ctx: Context, job: types_pb2.HPCJob, cluster: types_pb2.HPCCluster, latencies: Sequence[int]
) -> Offer:
    held = tenants.tally(ctx, job.customer_address, cluster.cluster_id)
    mean = sum(latencies) // len(latencies) if latencies else 0
    own = scoring.priority(cluster, job.queue_name, job.resources.nodes, age=0).score
    return Offer(
        cluster, mean, tenants.quotas(held, cluster, job.resources), waiting.outranks(ctx, cluster, own)
    )


def _best(candidates: Sequence[Candidate]) -> Candidate:
    return min(candidates, key=lambda candidate: (-int(candidate.combined_score), candidate.cluster_id))


def _decision(
    ctx: Context,
    job: types_pb2.HPCJob,
    candidates: Sequence[Candidate],
    best: Candidate,
    offer: Offer,
    fallback: str,
) -> types_pb2.SchedulingDecision:
    eligible = sum(candidate.eligible for candidate in candidates)
    return types_pb2.SchedulingDecision(
        decision_id=f"hpc-decision-{ctx.next_id(keyspace.NEXT_DECISION)}",
        job_id=job.job_id,
        selected_cluster_id=best.cluster_id,
        candidate_clusters=candidates,
        decision_reason=f"highest combined score, {best.combined_score}, of {eligible} eligible",
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
        backfill_used=offer.is_behind,
        backfill_window_seconds=scoring.BACKFILL_SECONDS if offer.is_behind else 0,
        quota_burst_used=best.quota_burst_used,
        quota_reason=f"in a burst: {scoring.bursts(offer)}" if best.quota_burst_used else "",
    )


def _tell(ctx: Context, decision: types_pb2.SchedulingDecision) -> None:
    about = {
        "job_id": decision.job_id,
        "decision_id": decision.decision_id,
        "cluster_id": decision.selected_cluster_id,
    }
    ctx.events.append(("hpc_scheduling_decision", about))
    if decision.backfill_used:
        ctx.events.append(
            (
                "hpc_backfill_scheduled",
                {**about, "backfill_window_seconds": str(decision.backfill_window_seconds)},
            )
        )
