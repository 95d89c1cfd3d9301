"""Chooses an offering for a job, and explains why the others do not match. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.types_pb2 import HPCCluster, HPCOffering, QueueOption
from provider_daemon.client.job_request import JobRequest
from provider_daemon.client.natural import natural
from provider_daemon.errors import Refused


@dataclass(frozen=True, slots=True)
class Wish:
    """What the customer fixes besides the request; "" leaves it to the choice."""

    offering: str = ""
    queue: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """`others`: offering -> why it does not match, or "" for one that matches too."""

    offering: HPCOffering
    cluster: HPCCluster
    queue: str
    others: Mapping[str, str]


def choose(
    asked: JobRequest,
    wish: Wish,
    offerings: Sequence[HPCOffering],
    clusters: Mapping[str, HPCCluster],
) -> Choice:
    """Chooses a matching offering: one whose cluster has the nodes available now, then the lowest id.

    Raises Refused with the reason of each offering if none matches.
    """
    found: list[tuple[HPCOffering, HPCCluster, str]] = []
    others: dict[str, str] = {}
    for offering in sorted(offerings, key=lambda each: natural(each.offering_id)):
        cluster = clusters.get(offering.cluster_id)
        why = next(_mismatches(asked, wish, offering, cluster), "")
        others[offering.offering_id] = why
        if not why and cluster is not None:
            found.append((offering, cluster, _queue(asked, wish, offering)))
    if not found:
        raise Refused(_none(wish, others))
    best = min(found, key=lambda each: each[1].available_nodes < asked.resources.nodes)
    del others[best[0].offering_id]
    return Choice(*best, others)


def _none(wish: Wish, reasons: Mapping[str, str]) -> str:
    if wish.offering and wish.offering not in reasons:
        return f"offering {wish.offering} does not exist on chain"
    if wish.offering:
        return f"offering {wish.offering} does not match: {reasons[wish.offering]}"
    listed = "; ".join(f"{name}: {why}" for name, why in reasons.items())
    return f"no offering matches this job: {listed}" if listed else "the chain has no offerings"


def _mismatches(
    asked: JobRequest, wish: Wish, offering: HPCOffering, cluster: HPCCluster | None
) -> Iterator[str]:
    if wish.offering and offering.offering_id != wish.offering:
        yield f"--offering is {wish.offering}"
    if not offering.active:
        yield "it is not active"
    if cluster is None:
        yield f"its cluster {offering.cluster_id} does not exist on chain"
        return
    yield from _cluster(asked, wish, cluster)
    yield from _workload(asked, offering)
    if offering.max_runtime_seconds and asked.max_runtime_seconds > offering.max_runtime_seconds:
        yield (
            f"{asked.max_runtime_seconds} s of run time requested, it allows {offering.max_runtime_seconds} s"
        )
    yield from _queues(asked, wish, offering)


def _cluster(asked: JobRequest, wish: Wish, cluster: HPCCluster) -> Iterator[str]:
    if cluster.state != types_pb2.CLUSTER_STATE_ACTIVE:
        state = types_pb2.ClusterState.DESCRIPTOR.values_by_number.get(cluster.state)
        word = state.name.removeprefix("CLUSTER_STATE_").lower() if state else str(cluster.state)
        yield f"its cluster {cluster.cluster_id} is {word}"
    if wish.region and cluster.region != wish.region:
        yield f"its region is {cluster.region or 'not set'}, not {wish.region}"
    if cluster.total_nodes and asked.resources.nodes > cluster.total_nodes:
        yield f"{asked.resources.nodes} nodes requested, its cluster has {cluster.total_nodes}"
    known = [name.lower() for name in cluster.cluster_metadata.gpu_types]
    if asked.resources.gpu_type and known and asked.resources.gpu_type.lower() not in known:
        yield f"its cluster has no GPU of type {asked.resources.gpu_type}: it has {', '.join(known)}"


def _workload(asked: JobRequest, offering: HPCOffering) -> Iterator[str]:
    if not asked.workload.is_preconfigured:
        if not offering.supports_custom_workloads:
            yield "it runs preconfigured workloads only"
        return
    known = [item.workload_id for item in offering.preconfigured_workloads]
    if asked.workload.preconfigured_id not in known:
        offered = ", ".join(known) or "none"
        yield f"it has no workload {asked.workload.preconfigured_id} (it has {offered})"


def _queues(asked: JobRequest, wish: Wish, offering: HPCOffering) -> Iterator[str]:
    reasons = [_queue_mismatch(asked, wish, queue) for queue in offering.queue_options]
    if not reasons:
        yield "it has no queues"
    elif all(reasons):
        yield "; ".join(reasons)


def _queue(asked: JobRequest, wish: Wish, offering: HPCOffering) -> str:
    return next(
        queue.partition_name for queue in offering.queue_options if not _queue_mismatch(asked, wish, queue)
    )


def _queue_mismatch(asked: JobRequest, wish: Wish, queue: QueueOption) -> str:
    name = queue.partition_name
    if wish.queue and name != wish.queue:
        return f"queue {name} is not {wish.queue}"
    if queue.max_nodes and asked.resources.nodes > queue.max_nodes:
        return f"{asked.resources.nodes} nodes requested, queue {name} allows {queue.max_nodes}"
    if queue.max_runtime and asked.max_runtime_seconds > queue.max_runtime:
        return (
            f"{asked.max_runtime_seconds} s of run time requested, queue {name} allows {queue.max_runtime} s"
        )
    return ""
