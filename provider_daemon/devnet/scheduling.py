"""The scheduling decision that is recorded with every job, in integers of scale 1,000,000 (MODULE.md, 'Scheduling')."""

from collections.abc import Sequence

from provider_daemon.chain import keyspace
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet.context import Context

SCALE = 1_000_000
LATENCY_WEIGHT, CAPACITY_WEIGHT = 600_000, 400_000


def decide(ctx: Context, job: types_pb2.HPCJob) -> None:
    """Stores the decision and its event. It is never written on the job, and may name another provider's cluster."""
    clusters = ctx.every(types_pb2.HPCCluster, keyspace.CLUSTER)
    candidates = [_candidate(cluster, clusters, job.resources.nodes) for cluster in clusters]
    eligible = [candidate for candidate in candidates if candidate.eligible]
    if not eligible:
        return
    best = min(eligible, key=lambda candidate: (-int(candidate.combined_score), candidate.cluster_id))
    decision_id = f"hpc-decision-{ctx.next_id(keyspace.NEXT_DECISION)}"
    decision = types_pb2.SchedulingDecision(
        decision_id=decision_id,
        job_id=job.job_id,
        selected_cluster_id=best.cluster_id,
        candidate_clusters=candidates,
        decision_reason="highest combined score",
        latency_score=best.latency_score,
        capacity_score=best.capacity_score,
        combined_score=best.combined_score,
        created_at=ctx.now,
        block_height=ctx.height,
    )
    ctx.store(keyspace.DECISION, decision_id, decision)
    attributes = {"job_id": job.job_id, "decision_id": decision_id, "cluster_id": best.cluster_id}
    ctx.events.append(("hpc_scheduling_decision", attributes))


def _candidate(cluster: types_pb2.HPCCluster, clusters: Sequence[types_pb2.HPCCluster], nodes: int) -> types_pb2.ClusterCandidate:
    active = cluster.state == types_pb2.CLUSTER_STATE_ACTIVE
    enough = cluster.available_nodes >= nodes
    most = max(other.available_nodes for other in clusters)
    capacity = SCALE * cluster.available_nodes // most if most else 0
    combined = (LATENCY_WEIGHT * SCALE + CAPACITY_WEIGHT * capacity) // SCALE  # no latency is measured here: every cluster is as near
    return types_pb2.ClusterCandidate(
        cluster_id=cluster.cluster_id,
        region=cluster.region,
        available_nodes=cluster.available_nodes,
        latency_score=str(SCALE),
        capacity_score=str(capacity),
        combined_score=str(combined),
        eligible=active and enough,
        ineligibility_reason="" if active and enough else "not active" if not active else "too few available nodes",
    )
