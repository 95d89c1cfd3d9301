"""Accounting records -> usage, in exact integers. Nothing is rounded up: a customer never pays for what SLURM
did not allocate."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from provider_daemon.job.occupancy import held_seconds
from provider_daemon.job.snapshot import Run

# the chain's GB is SLURM's G, 2^30 bytes: a job that asks for memory_gb_per_node = 8 gets --mem=8G
MIB_PER_GB = 1024
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Usage:
    """The wire's HPCUsageMetrics (tests/fixtures/chain/wire.tsv), field by field.

    `gpu_seconds_by_type` stays with us: the wire has one sum for all types.
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
    """A job that asked for GPUs has no gres/gpu in its allocated TRES: AccountingStorageTRES lacks it, and
    billing 0 would be wrong."""


def memory_gb_seconds(memory_mib_seconds: int) -> int:
    """MiB-seconds -> whole GB-seconds (GB = 1024 MiB), rounded down once, after summing every run."""
    return memory_mib_seconds // MIB_PER_GB


def node_hours(node_seconds: int) -> int:
    """Whole node-hours, rounded down: the wire field is a whole number (docs/billing.md, 'Components')."""
    return node_seconds // SECONDS_PER_HOUR


def measure(runs: Sequence[Run], gpus_requested: int) -> Usage:
    """Allocated TRES x seconds held, over every record of the SLURM job: a requeued job held its nodes each
    time.

    Raises GpuUnaccounted when GPUs were asked for and a run that held nodes names none.
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
