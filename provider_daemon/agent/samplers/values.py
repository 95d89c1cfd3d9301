"""Puts readings together as a heartbeat reports them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from provider_daemon.agent.samplers.allocation import Allocation
from provider_daemon.agent.samplers.load import Load
from provider_daemon.agent.samplers.processor import Cores
from provider_daemon.nodes.report import Capacity, Gpu, GpuState, Health, HealthStatus

KIB_PER_GB, BYTES_PER_GB = 1024**2, 1024**3
_MAX_COUNT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes of the local file system; `free`: for users who are not root."""

    total: int = 0
    free: int = 0


def capacity(
    cores: Cores, memory_kib: int, storage: Storage, gpus: Sequence[Gpu], taken: Allocation
) -> Capacity:
    """Rounds what is allocated up and what there is down, so that nothing is offered twice."""
    total = memory_kib // KIB_PER_GB
    cores_taken = min(cores.cores, _up(taken.threads, cores.threads_per_core))
    memory_taken = min(total, _up(taken.memory, BYTES_PER_GB))
    disk, free = storage.total // BYTES_PER_GB, storage.free // BYTES_PER_GB
    return Capacity(
        cpu_cores_total=cores.cores,
        cpu_cores_available=cores.cores - cores_taken,
        cpu_cores_allocated=cores_taken,
        memory_gb_total=total,
        memory_gb_available=total - memory_taken,
        memory_gb_allocated=memory_taken,
        gpus_total=len(gpus),
        gpus_available=sum(gpu.state is GpuState.OK for gpu in gpus),
        gpu_type=next((gpu.model for gpu in gpus if gpu.model), ""),
        storage_gb_total=min(_MAX_COUNT, disk),
        storage_gb_available=min(_MAX_COUNT, free),
        storage_gb_allocated=min(_MAX_COUNT, max(0, disk - free)),
    )


def health(
    load: Load, gpus: Sequence[Gpu], *, uptime: int, temperature: int, errors: int, warnings: int
) -> Health:
    """Returns the measured values; what they mean is for `health.findings` to say.

    GPUs that failed do not count: they are idle and cold, and the others are what jobs have.
    """
    working = [gpu for gpu in gpus if gpu.state is GpuState.OK]
    return Health(
        status=HealthStatus.HEALTHY,
        uptime_seconds=uptime,
        load_average_1m=load.averages[0],
        load_average_5m=load.averages[1],
        load_average_15m=load.averages[2],
        cpu_utilization_percent=load.cpu,
        memory_utilization_percent=load.memory,
        gpu_utilization_percent=_mean([gpu.utilization_percent for gpu in working]),
        gpu_memory_utilization_percent=_mean([gpu.memory_utilization_percent for gpu in working]),
        disk_io_utilization_percent=load.disk,
        network_utilization_percent=load.network,
        temperature_celsius=temperature,
        gpu_temperature_celsius=max((gpu.temperature_celsius for gpu in working), default=0),
        error_count_24h=errors,
        warning_count_24h=warnings,
    )


def _mean(numbers: Sequence[int]) -> int:
    return round(sum(numbers) / len(numbers)) if numbers else 0


def _up(part: int, whole: int) -> int:
    return -(-part // whole) if whole else 0
