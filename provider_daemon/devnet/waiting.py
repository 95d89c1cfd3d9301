"""The jobs that wait on each cluster, with the inputs of their priority.

They are kept so that no submission reads the jobs' records.
"""

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet import scoring
from provider_daemon.devnet.context import Context

STORE = "waiting"
WAITS = (types_pb2.JOB_STATE_PENDING, types_pb2.JOB_STATE_QUEUED)


def note(ctx: Context, job: types_pb2.HPCJob) -> None:
    """Stores a waiting job under cluster, nodes, queue, creation time (nanoseconds) and job id.

    The oldest of its kind is first.
    """
    made = job.created_at.seconds * 10**9 + job.created_at.nanos
    key = f"{job.cluster_id}/{job.resources.nodes}/{job.queue_name}/{made:019}/{job.job_id}"
    value = f"{made} {job.resources.nodes} {job.queue_name}" if job.state in WAITS else ""
    ctx.state.put(STORE, key.encode(), value.encode())


def outranks(ctx: Context, cluster: types_pb2.HPCCluster, own: int) -> bool:
    """Reports whether a job with a current priority higher than `own` waits there.

    Among jobs of one size and queue the oldest has the highest priority.
    """
    oldest: dict[bytes, bytes] = {}
    for key, value in ctx.state.scan(STORE, f"{cluster.cluster_id}/".encode()):
        oldest.setdefault(key.rsplit(b"/", 2)[0], value)
    return any(_priority(ctx, cluster, value.decode()) > own for value in oldest.values())


def _priority(ctx: Context, cluster: types_pb2.HPCCluster, value: str) -> int:
    made, nodes, queue = value.split(" ", 2)
    return scoring.priority(cluster, queue, int(nodes), (ctx.time - int(made)) // 10**9).score
