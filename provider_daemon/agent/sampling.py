"""What a node agent measures: how the node is now, and what it is.

Every reading stands alone: one that fails keeps its last value and is named in the health's last error. All
readings are files of the kernel and small programs with a time limit; nothing asks slurmctld, so that
thousands of agents do not load it.
"""

import os
import platform
import time
from dataclasses import dataclass, field, replace

from provider_daemon.agent.samplers import machine, proc, sockets
from provider_daemon.agent.samplers.files import Files
from provider_daemon.agent.samplers.health import Thresholds, findings
from provider_daemon.agent.samplers.jobs import JobSampler
from provider_daemon.agent.samplers.load import LoadSampler
from provider_daemon.agent.samplers.programs import Programs
from provider_daemon.agent.samplers.readings import Readings
from provider_daemon.agent.samplers.services import ServiceSampler
from provider_daemon.nodes.report import (
    Capacity,
    Gpu,
    Hardware,
    Health,
    HealthStatus,
    JobCounts,
    Services,
    Topology,
)

KIB_PER_GB, BYTES_PER_GB = 1024**2, 1024**3
NOTHING: frozenset[str] = frozenset()
JOB_SECONDS = 30  # jobs are counted at most this often
MAX_ERROR = 256  # characters of Health.last_error_message


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """`node_name`: SLURM's name of the node. `root`: where /proc and /sys are, `/` outside of tests.

    `storage_directory`: its file system is the node's local storage. `network_mbps`: the speed of each
    network card, 0 for what its driver reports. `munge_socket`: "" where SLURM does not use munge.
    """

    node_name: str
    slurmd_spool: str = "/var/spool/slurmd"
    slurmd_port: int = 6818
    munge_socket: str = "/run/munge/munge.socket.2"
    container_runtimes: tuple[str, ...] = ("apptainer", "singularity", "podman", "docker")
    storage_directory: str = "/"
    network_mbps: int = 0
    interconnect: str = ""
    network_fabric: str = ""
    topology_hint: str = ""
    published_fingerprint: bool = False
    thresholds: Thresholds = field(default_factory=Thresholds)
    root: str = "/"


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement, as a heartbeat reports it."""

    capacity: Capacity
    health: Health
    jobs: JobCounts
    services: Services
    gpus: tuple[Gpu, ...]


class Sampler:
    """Measures one node. It compares counters with those of the previous sample, so it is made once."""

    def __init__(self, settings: SampleSettings) -> None:
        self._settings, self._files, self._readings = settings, Files(settings.root), Readings()
        self._load = LoadSampler(self._files, self._readings, settings.network_mbps, time.monotonic())
        self._jobs = JobSampler(settings.node_name, settings.slurmd_spool)
        self._services = ServiceSampler(
            self._files,
            self._readings,
            Programs(),
            slurmd_port=settings.slurmd_port,
            munge_socket=settings.munge_socket,
            runtimes=settings.container_runtimes,
        )

    def hardware(self) -> tuple[Hardware, Topology, str]:
        """Returns what the node is, and its fingerprint (hex SHA-256)."""
        return Hardware(cpu_arch=platform.machine()), Topology(), ""

    def sample(self, now: float) -> Sample:
        """Measures the node. `now`: seconds since the epoch."""
        listening = self._readings.get("sockets", self._listening, NOTHING)
        jobs = self._readings.get(
            "jobs", lambda: self._jobs.sample(listening, now), JobCounts(), now=now, seconds=JOB_SECONDS
        )
        services = self._services.sample(listening, now)
        health = self._health()
        return Sample(self._capacity(), self._judged(health, services, ()), jobs, services, ())

    def _listening(self) -> frozenset[str]:
        return sockets.unix_paths(self._files.text("/proc/net/unix"))

    def _capacity(self) -> Capacity:
        cores, memory = self._cores().cores, self._load.memory().total // KIB_PER_GB
        total, free = self._readings.get("storage", self._storage, (0, 0))
        return Capacity(
            cpu_cores_total=cores,
            cpu_cores_available=cores,
            memory_gb_total=memory,
            memory_gb_available=memory,
            storage_gb_total=total,
            storage_gb_available=free,
            storage_gb_allocated=total - free,
        )

    def _cores(self) -> machine.Cores:
        return self._readings.get("cores", lambda: machine.cores(self._files), machine.Cores(0, 0, 0))

    def _storage(self) -> tuple[int, int]:
        """Returns GB in total and free for users."""
        found = os.statvfs(self._settings.storage_directory)
        sizes = (found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)
        return sizes[0] // BYTES_PER_GB, sizes[1] // BYTES_PER_GB

    def _health(self) -> Health:
        load = self._load.sample(time.monotonic())
        return Health(
            status=HealthStatus.HEALTHY,
            uptime_seconds=self._readings.get("uptime", self._uptime, 0),
            load_average_1m=load.averages[0],
            load_average_5m=load.averages[1],
            load_average_15m=load.averages[2],
            cpu_utilization_percent=load.cpu,
            memory_utilization_percent=load.memory,
            disk_io_utilization_percent=load.disk,
            network_utilization_percent=load.network,
        )

    def _uptime(self) -> int:
        return proc.uptime(self._files.text("/proc/uptime"))

    def _judged(self, health: Health, services: Services, gpus: tuple[Gpu, ...]) -> Health:
        """Sets status and last error. A failed reading is named if nothing else is wrong."""
        found = findings(
            health,
            services,
            gpus,
            self._settings.thresholds,
            munge_expected=bool(self._settings.munge_socket),
        )
        texts = [each.text for each in found] or list(self._readings.errors.values())
        status = found[0].status if found else HealthStatus.HEALTHY
        return replace(health, status=status, last_error_message="; ".join(texts)[:MAX_ERROR])
