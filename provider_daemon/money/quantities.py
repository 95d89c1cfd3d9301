"""Converts usage to billed quantities in 18-digit fixed point: hours of each resource, GB of network.

Node-hours are decimal here. A report has only their whole number, so a reported job is billed for whole
node-hours; if the chain itself computes the usage from the time that it saw, it bills their decimals.
"""

from dataclasses import dataclass

from provider_daemon.job.usage import SECONDS_PER_HOUR, Usage
from provider_daemon.money.fixed import ONE, ratio, whole
from provider_daemon.money.rates import Component

BYTES_PER_GB = 2**30


@dataclass(frozen=True, slots=True)
class Asked:
    """The resources that a job requested over all of its nodes: cores, memory in GB, GPUs."""

    nodes: int
    cpus: int = 0
    memory_gb: int = 0
    gpus: int = 0

    @classmethod
    def per_node(cls, nodes: int, cpus: int, memory_gb: int, gpus: int) -> "Asked":
        return cls(nodes, nodes * cpus, nodes * memory_gb, nodes * gpus)


def use_of(asked: Asked, seconds: int) -> Usage:
    """Returns the usage if all was used for that time; storage and network are billed only if reported."""
    return Usage(
        wall_clock_seconds=seconds,
        cpu_core_seconds=asked.cpus * seconds,
        memory_gb_seconds=asked.memory_gb * seconds,
        gpu_seconds=asked.gpus * seconds,
        node_hours=whole(ratio(asked.nodes * seconds, SECONDS_PER_HOUR)),
        nodes_used=asked.nodes,
    )


def node_hours_seen(usage: Usage, granularity: int) -> int:
    """Returns decimal node-hours of a job that held its nodes all the time, as when billed by request."""
    return ratio(_stepped(usage.nodes_used * usage.wall_clock_seconds, usage, granularity), SECONDS_PER_HOUR)


def quantities(usage: Usage, granularity: int, node_hours: int | None = None) -> dict[Component, int]:
    """Returns the billed quantities. `granularity` is in seconds.

    `node_hours`: in fixed point, where they are known more exactly than the whole number that is reported.
    """
    return {
        Component.CPU: ratio(_stepped(usage.cpu_core_seconds, usage, granularity), SECONDS_PER_HOUR),
        Component.MEMORY: ratio(_stepped(usage.memory_gb_seconds, usage, granularity), SECONDS_PER_HOUR),
        Component.GPU: ratio(_stepped(usage.gpu_seconds, usage, granularity), SECONDS_PER_HOUR),
        Component.STORAGE: usage.storage_gb_hours * ONE,
        Component.NETWORK: ratio(usage.network_bytes_in + usage.network_bytes_out, BYTES_PER_GB),
        Component.NODE: usage.node_hours * ONE if node_hours is None else node_hours,
    }


def _stepped(resource_seconds: int, usage: Usage, granularity: int) -> int:
    """Rounds resource-seconds up with the wall clock, which is billed in whole steps.

    Without a wall clock they are billed as they are.
    """
    wall = usage.wall_clock_seconds
    if not wall:
        return resource_seconds
    steps = -(-wall // granularity)
    return resource_seconds * steps * granularity // wall
