"""Judges how a node is, from what was sampled. Pure."""

from dataclasses import dataclass

from provider_daemon.nodes.report import Gpu, GpuState, Health, HealthStatus, Services


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A node that is above one of them is degraded. `percent`: of processors and memory."""

    percent: int = 90
    temperature_celsius: int = 95
    gpu_temperature_celsius: int = 90


@dataclass(frozen=True, slots=True)
class Finding:
    """`text`: one line for the operator."""

    status: HealthStatus
    text: str


def findings(
    health: Health, services: Services, gpus: tuple[Gpu, ...], most: Thresholds, munge_expected: bool = True
) -> tuple[Finding, ...]:
    """Returns what is wrong with the node, the worst first."""
    sick = [*_stopped(services, munge_expected), *_failed(gpus)]
    hot = [Finding(HealthStatus.DEGRADED, text) for text in _above(health, most)]
    return tuple(sorted([*sick, *hot], key=lambda each: each.status is not HealthStatus.UNHEALTHY))


def _stopped(services: Services, munge_expected: bool) -> list[Finding]:
    running = {"slurmd": services.slurmd_running, "munge": services.munge_running or not munge_expected}
    return [
        Finding(HealthStatus.UNHEALTHY, f"{name} is not running")
        for name, runs in running.items()
        if not runs
    ]


def _failed(gpus: tuple[Gpu, ...]) -> list[Finding]:
    """One failed GPU makes the node degraded, if all of them failed it is unhealthy."""
    failed = [gpu for gpu in gpus if gpu.state is GpuState.FAILED]
    status = HealthStatus.UNHEALTHY if len(failed) == len(gpus) else HealthStatus.DEGRADED
    return [Finding(status, f"GPU {gpu.index} failed: {gpu.reason}") for gpu in failed]


def _above(health: Health, most: Thresholds) -> list[str]:
    measured = (
        ("processors", health.cpu_utilization_percent, most.percent, " % busy"),
        ("memory", health.memory_utilization_percent, most.percent, " % used"),
        ("processor temperature", health.temperature_celsius, most.temperature_celsius, " °C"),
        ("GPU temperature", health.gpu_temperature_celsius, most.gpu_temperature_celsius, " °C"),
    )
    return [f"{name}: {value}{unit}, above {limit}" for name, value, limit, unit in measured if value > limit]
