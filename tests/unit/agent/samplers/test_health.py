"""What was read becomes the capacity and the health of a node."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.agent.samplers import values
from provider_daemon.agent.samplers.allocation import Allocation
from provider_daemon.agent.samplers.health import Finding, Thresholds, findings
from provider_daemon.agent.samplers.load import Load
from provider_daemon.agent.samplers.processor import Cores
from provider_daemon.agent.samplers.values import BYTES_PER_GB, KIB_PER_GB, Storage
from provider_daemon.nodes.report import Gpu, GpuState, Health, HealthStatus, Services

DEGRADED, UNHEALTHY = HealthStatus.DEGRADED, HealthStatus.UNHEALTHY
RUNNING = Services(slurmd_running=True, munge_running=True)
OK = Gpu(0, GpuState.OK, utilization_percent=50, memory_utilization_percent=20, temperature_celsius=60)
DEAD = Gpu(1, GpuState.FAILED, temperature_celsius=99, reason="does not answer")
HEALTHY = Health(HealthStatus.HEALTHY)


def found(
    health: Health = HEALTHY, gpus: tuple[Gpu, ...] = (), **most: int
) -> list[tuple[HealthStatus, str]]:
    return [(each.status, each.text) for each in findings(health, RUNNING, gpus, Thresholds(**most))]


def test_what_is_allocated_is_rounded_up() -> None:
    """Half a core that a job has is no core for another."""
    taken = Allocation(threads=3, memory=BYTES_PER_GB + 1)
    found = values.capacity(Cores(1, 8, 16), 64 * KIB_PER_GB + 9, Storage(), (OK, DEAD), taken)
    assert (found.cpu_cores_total, found.cpu_cores_available, found.cpu_cores_allocated) == (8, 6, 2)
    assert (found.memory_gb_total, found.memory_gb_available, found.memory_gb_allocated) == (64, 62, 2)
    assert (found.gpus_total, found.gpus_available) == (2, 1)


@given(
    cores=st.builds(Cores, st.integers(0, 8), st.integers(0, 64), st.integers(0, 128)),
    memory=st.integers(0, 2**40),
    storage=st.builds(Storage, st.integers(0, 2**62), st.integers(0, 2**62)),
    taken=st.builds(Allocation, st.integers(0, 999), st.integers(0, 2**60)),
)
def test_what_is_available_and_allocated_is_the_total(
    cores: Cores, memory: int, storage: Storage, taken: Allocation
) -> None:
    """Jobs may have more than the machine shows now, such as processors that went offline."""
    found = values.capacity(cores, memory, storage, (), taken)
    assert found.cpu_cores_available + found.cpu_cores_allocated == found.cpu_cores_total
    assert found.memory_gb_available + found.memory_gb_allocated == found.memory_gb_total
    assert min(found.cpu_cores_available, found.memory_gb_available, found.storage_gb_allocated) >= 0


def test_failed_gpus_do_not_count_for_the_utilization() -> None:
    """They are idle, and what their sensor said last is old."""
    health = values.health(
        Load(),
        (OK, replace(OK, utilization_percent=100), DEAD),
        uptime=1,
        temperature=2,
        errors=3,
        warnings=4,
    )
    assert (health.gpu_utilization_percent, health.gpu_memory_utilization_percent) == (75, 20)
    assert health.gpu_temperature_celsius == 60


def test_one_failed_gpu_of_several_makes_a_node_degraded() -> None:
    """If all of them failed it is unhealthy."""
    assert found(gpus=(OK, DEAD)) == [(DEGRADED, "GPU 1 failed: does not answer")]
    assert found(gpus=(DEAD,)) == [(UNHEALTHY, "GPU 1 failed: does not answer")]
    assert found(gpus=(OK,)) == []


@pytest.mark.parametrize(
    ("health", "text"),
    [
        (Health(HealthStatus.HEALTHY, cpu_utilization_percent=91), "processors: 91 % busy, above 90"),
        (Health(HealthStatus.HEALTHY, memory_utilization_percent=91), "memory: 91 % used, above 90"),
        (Health(HealthStatus.HEALTHY, temperature_celsius=96), "processor temperature: 96 °C, above 95"),
        (Health(HealthStatus.HEALTHY, gpu_temperature_celsius=91), "GPU temperature: 91 °C, above 90"),
    ],
)
def test_a_node_above_a_threshold_is_degraded(health: Health, text: str) -> None:
    """At the threshold it is not, so 100 % is never exceeded."""
    assert found(health) == [(DEGRADED, text)]
    assert found(health, percent=91, temperature_celsius=96, gpu_temperature_celsius=91) == []


def test_the_worst_finding_is_the_first() -> None:
    """It decides the node's status."""
    busy = Health(HealthStatus.HEALTHY, cpu_utilization_percent=100)
    both = findings(busy, Services(munge_running=True), (), Thresholds())
    assert both == (
        Finding(UNHEALTHY, "slurmd is not running"),
        Finding(DEGRADED, "processors: 100 % busy, above 90"),
    )
