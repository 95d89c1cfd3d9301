"""What each customer has on each cluster, and the quotas that limit it.

It is kept as a tally so that no submission reads every job. Quotas (docs/protocol.md, 'Scheduling'): 12 jobs
running (+6 in a burst), 24 queued (+12), a quarter of the cluster's nodes, cores, memory and GPUs (at least
2, 32, 64 GB and 1; in a burst up to a half), never more than the cluster has. What a cluster does not report
is not limited.
"""

import json
from dataclasses import asdict, dataclass

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet.context import Context
from provider_daemon.job.state import TERMINAL, State

STORE = "tenants"
RUNNING, RUNNING_BURST = 12, 18
QUEUED, QUEUED_BURST = 24, 36
AT_LEAST = {"nodes": 2, "cores": 32, "memory_gb": 64, "gpus": 1}


@dataclass(slots=True)
class Tally:
    """The number of jobs by state, and what the running ones hold."""

    running: int = 0
    queued: int = 0
    nodes: int = 0
    cores: int = 0
    memory_gb: int = 0
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota.

    `used` and `asked` are compared with the limit, which only a burst may exceed. `burst` is the maximum.
    """

    name: str
    used: int
    asked: int
    limit: int
    burst: int

    @property
    def after(self) -> int:
        return self.used + self.asked


def tally(ctx: Context, customer: str, cluster_id: str) -> Tally:
    value = ctx.state.get(STORE, _key(customer, cluster_id))
    return Tally(**json.loads(value)) if value else Tally()


def moved(ctx: Context, job: types_pb2.HPCJob, before: State | None, after: State) -> None:
    """Updates the tally after a change of state. `before` is None for a new job."""
    found = tally(ctx, job.customer_address, job.cluster_id)
    _add(found, job, before, -1)
    _add(found, job, after, 1)
    value = json.dumps(asdict(found)).encode() if found != Tally() else b""
    ctx.state.put(STORE, _key(job.customer_address, job.cluster_id), value)


def quotas(found: Tally, cluster: types_pb2.HPCCluster, asked: types_pb2.JobResources) -> list[Quota]:
    """Returns one quota for each limited resource, with what one more job requests of it."""
    wanted, metadata = _resources(asked), cluster.cluster_metadata
    totals = {
        "nodes": cluster.total_nodes,
        "cores": metadata.total_cpu_cores,
        "memory_gb": metadata.total_memory_gb,
        "gpus": metadata.total_gpus,
    }
    shares = [
        _share(name, getattr(found, name), wanted[name], total) for name, total in totals.items() if total > 0
    ]
    return [
        Quota("running", found.running, 1, RUNNING, RUNNING_BURST),
        Quota("queued", found.queued, 1, QUEUED, QUEUED_BURST),
        *shares,
    ]


def _share(name: str, used: int, asked: int, total: int) -> Quota:
    limit = min(max(total // 4, AT_LEAST[name]), total)
    return Quota(name, used, asked, limit, max(total // 2, limit))


def _key(customer: str, cluster_id: str) -> bytes:
    return f"{customer}/{cluster_id}".encode()


def _add(found: Tally, job: types_pb2.HPCJob, state: State | None, sign: int) -> None:
    if state is None or state in TERMINAL:
        return
    if state is not State.RUNNING:
        found.queued += sign
        return
    found.running += sign
    for name, amount in _resources(job.resources).items():
        setattr(found, name, getattr(found, name) + sign * amount)


def _resources(asked: types_pb2.JobResources) -> dict[str, int]:
    return {
        "nodes": asked.nodes,
        "cores": asked.nodes * asked.cpu_cores_per_node,
        "memory_gb": asked.nodes * asked.memory_gb_per_node,
        "gpus": asked.nodes * asked.gpus_per_node,
    }
