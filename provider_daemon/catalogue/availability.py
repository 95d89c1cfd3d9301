"""What is free at a site now, and how long jobs have waited there. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from provider_daemon.catalogue.document import Availability, QueueWait
from provider_daemon.ports import Node

MIB_PER_GB = 1024


def availability(
    cluster_id: str, nodes: Iterable[Node], waited: Mapping[str, Sequence[int]], now: float
) -> Availability:
    """`waited`: queue -> seconds that each job which started lately had waited."""
    usable = [node for node in nodes if node.sellable]
    gpus: dict[str, int] = {}
    for node in usable:
        if node.gpus:
            gpus[node.gpu_type] = gpus.get(node.gpu_type, 0) + node.gpus_free
    return Availability(
        cluster_id=cluster_id,
        as_of=int(now),
        nodes_usable=len(usable),
        nodes_free=sum(not node.cpus_allocated for node in usable),
        cpus_free=sum(max(0, node.cpus - node.cpus_allocated) for node in usable),
        memory_gb_free=sum(_free_gb(node) for node in usable),
        gpus_free=dict(sorted(gpus.items())),
        waits=tuple(
            QueueWait(queue, len(seconds), int(median(seconds)), max(seconds))
            for queue, seconds in sorted(waited.items())
            if seconds
        ),
    )


def _free_gb(node: Node) -> int:
    return max(0, node.memory_mib - node.memory_allocated_mib) // MIB_PER_GB
