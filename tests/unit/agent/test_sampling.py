"""A sample is what a heartbeat can report, on every machine and whatever is broken there."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.agent.sampling import Sample, Sampler, SampleSettings
from provider_daemon.nodes import reading
from provider_daemon.nodes.report import HealthStatus, Heartbeat
from provider_daemon.nodes.writing import encode
from tests.unit.agent.samplers.trees import VM, copy, put

SETTINGS = SampleSettings(
    node_name="n1",
    slurmd_spool="/srv/slurm/spool/n1",
    slurmd_port=11521,
    munge_socket="/srv/slurm/munge/munge.socket.2",
    container_runtimes=(),
)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    return copy(VM, tmp_path)


def sampler(machine: Path, **changes: object) -> Sampler:
    return Sampler(replace(SETTINGS, root=str(machine), **changes))  # type: ignore[arg-type]


def through_a_heartbeat(sample: Sample) -> Sample:
    """Returns the sample as the collector would read it."""
    beat = Heartbeat(
        "alpha.n1",
        "alpha",
        1,
        "2026-01-30T14:05:00Z",
        "0.1.0",
        sample.capacity,
        sample.health,
        jobs=sample.jobs,
        services=sample.services,
        gpus=sample.gpus,
    )
    found = reading.heartbeat(encode(beat))
    return Sample(found.capacity, found.health, found.jobs, found.services, found.gpus)


def test_a_healthy_node_is_reported_whole(machine: Path) -> None:
    """Everything is within the limits of a heartbeat."""
    sample = sampler(machine).sample(1000.0)
    assert (sample.capacity.cpu_cores_total, sample.capacity.memory_gb_total) == (2, 23)
    assert (sample.services.slurmd_running, sample.services.munge_running) == (True, True)
    assert (sample.jobs.running_count, sample.health.uptime_seconds > 0) == (2, True)
    assert (sample.health.status, sample.health.last_error_message) == (HealthStatus.HEALTHY, "")
    assert through_a_heartbeat(sample) == sample


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"slurmd_port": 6818}, "slurmd is not running"),
        ({"munge_socket": "/run/munge/munge.socket.2"}, "munge is not running"),
    ],
)
def test_a_node_without_a_service_that_jobs_need_is_unhealthy(
    machine: Path, changes: dict[str, object], text: str
) -> None:
    """The health names the service, and not how busy the node is besides."""
    watched = sampler(machine, **changes)
    put(machine, {"proc/meminfo": "MemTotal: 1000 kB\nMemAvailable: 50 kB\n"})
    health = watched.sample(1000.0).health
    assert (health.status, health.last_error_message) == (HealthStatus.UNHEALTHY, text)


def test_slurmd_is_found_behind_many_other_ports(machine: Path) -> None:
    """On a node with more listening sockets than are read at first."""
    row = "  {number}: 0100007F:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1"
    rows = [row.format(number=number, port=number) for number in range(2000)]
    put(machine, {"proc/net/tcp": "\n".join(["sl", *rows, row.format(number=2000, port=6818)])})
    assert sampler(machine, slurmd_port=6818).sample(1000.0).services.slurmd_running
    assert not sampler(machine, slurmd_port=6819).sample(1000.0).services.slurmd_running


def test_munge_is_not_missed_where_slurm_does_not_use_it(machine: Path) -> None:
    """Such a site sets its socket to nothing."""
    sample = sampler(machine, munge_socket="").sample(1000.0)
    assert (sample.services.munge_running, sample.health.status) == (False, HealthStatus.HEALTHY)


def test_a_busy_node_is_degraded(machine: Path) -> None:
    """Above the threshold of its memory or processors."""
    watched = sampler(machine)
    put(machine, {"proc/meminfo": "MemTotal: 1000 kB\nMemAvailable: 50 kB\n"})
    health = watched.sample(1000.0).health
    assert (health.status, health.last_error_message) == (
        HealthStatus.DEGRADED,
        "memory: 95 % used, above 90",
    )


def test_jobs_are_not_counted_at_every_sample(machine: Path) -> None:
    """About once a minute, however often the collector asks for heartbeats."""
    watched = sampler(machine)
    assert watched.sample(1000.0).jobs.running_count == 2
    (machine / "proc/net/unix").write_text("Num RefCount\n")
    assert [watched.sample(at).jobs.running_count for at in (1010.0, 1053.0, 1055.0)] == [2, 2, 0]


def test_a_machine_that_shows_nothing_is_still_reported(tmp_path: Path) -> None:
    """What is not known is zero, the health names what cannot be read, and no service counts as stopped."""
    sample = sampler(tmp_path).sample(1000.0)
    assert sample.capacity.cpu_cores_total == 0
    assert "/proc/stat: No such file or directory; " in sample.health.last_error_message
    assert (sample.services.slurmd_running, sample.services.munge_running) == (True, True)
    assert (sample.health.status, through_a_heartbeat(sample)) == (HealthStatus.HEALTHY, sample)
    shutil.copytree(VM / "sys", tmp_path / "sys")
    assert sampler(tmp_path).sample(1000.0).capacity.cpu_cores_total == 2
