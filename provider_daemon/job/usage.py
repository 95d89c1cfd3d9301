"""Computes usage in exact integers, without rounding up: customers pay only for what SLURM allocated."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from provider_daemon.job.occupancy import held_seconds
from provider_daemon.job.snapshot import Run

# the chain's GB is SLURM's G, 2^30 bytes: a job with memory_gb_per_node = 8 gets --mem=8G
MIB_PER_GB = 1024
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Usage:
    """The protocol's HPCUsageMetrics (tests/fixtures/chain/wire.tsv), field by field.

    `gpu_seconds_by_type` is not reported: the protocol has one sum for all types.
    """

    wall_clock_seconds: int = 0
    cpu_core_seconds: int = 0
    memory_gb_seconds: int = 0
    gpu_seconds: int = 0
    storage_gb_hours: int = 0
    network_bytes_in: int = 0
    network_bytes_out: int = 0
    node_hours: int = 0
    nodes_used: int = 0
    gpu_seconds_by_type: tuple[tuple[str, int], ...] = ()


class GpuUnaccounted(Exception):
    """No gres/gpu is in the allocated TRES of a job with GPUs: AccountingStorageTRES lacks it."""


def memory_gb_seconds(memory_mib_seconds: int) -> int:
    """Converts MiB-seconds to whole GB-seconds (GB = 1024 MiB), rounded down once, after summing all runs."""
    return memory_mib_seconds // MIB_PER_GB


def node_hours(node_seconds: int) -> int:
    """Returns whole node-hours, rounded down, as on the wire (docs/billing.md, 'Components')."""
    return node_seconds // SECONDS_PER_HOUR


def measure(runs: Sequence[Run], gpus_requested: int) -> Usage:
    """Returns the allocated TRES x seconds held, over all records: a requeued job held nodes each time.

    Raises GpuUnaccounted if GPUs were requested and a run that held nodes names none.
    """
    held = held_seconds(runs)
    if gpus_requested and any(seconds and run.nodes and not run.gpus for run, seconds in held):
        raise GpuUnaccounted
    by_type: Counter[str] = Counter()
    for run, seconds in held:
        for gpu_type, count in run.gpus:
            by_type[gpu_type] += count * seconds
    return Usage(
        wall_clock_seconds=sum(seconds for _, seconds in held),
        cpu_core_seconds=sum(run.cpus * seconds for run, seconds in held),
        memory_gb_seconds=memory_gb_seconds(sum(run.memory_mib * seconds for run, seconds in held)),
        gpu_seconds=sum(by_type.values()),
        node_hours=node_hours(sum(run.nodes * seconds for run, seconds in held)),
        nodes_used=max((run.nodes for run in runs), default=0),
        gpu_seconds_by_type=tuple(sorted((name, seconds) for name, seconds in by_type.items() if seconds)),
    )
