"""The jobs that wait on each cluster, with what their priority is made of, so that no submission reads their records."""

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet import scoring
from provider_daemon.devnet.context import Context

STORE = "waiting"
WAITS = (types_pb2.JOB_STATE_PENDING, types_pb2.JOB_STATE_QUEUED)


def note(ctx: Context, job: types_pb2.HPCJob) -> None:
    """Under cluster and job: when it was made (nanoseconds), its nodes, its queue."""
    made = job.created_at.seconds * 10**9 + job.created_at.nanos
    value = f"{made} {job.resources.nodes} {job.queue_name}".encode() if job.state in WAITS else b""
    ctx.state.put(STORE, f"{job.cluster_id}/{job.job_id}".encode(), value)


def highest(ctx: Context, cluster: types_pb2.HPCCluster) -> int:
    """Of the priorities that wait on the cluster now; 0 when nobody does."""
    rows = ctx.state.scan(STORE, f"{cluster.cluster_id}/".encode())
    return max((_priority(ctx, cluster, value.decode()) for _, value in rows), default=0)


def _priority(ctx: Context, cluster: types_pb2.HPCCluster, value: str) -> int:
    made, nodes, queue = value.split(" ", 2)
    return scoring.priority(cluster, queue, int(nodes), (ctx.time - int(made)) // 10**9).score
