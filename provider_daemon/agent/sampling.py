"""What a node agent measures: how the node is now, and what it is.

Every reading stands alone: one that fails keeps its last value and is named in the health's last error. All
readings are files of the kernel and small programs with a time limit; nothing asks slurmctld, so that
thousands of agents do not load it.
"""

import os
import time
from dataclasses import dataclass, field, replace

from provider_daemon.agent import pace
from provider_daemon.agent.samplers import fingerprint, machine, proc, processor, sockets, temperature, values
from provider_daemon.agent.samplers.allocation import Allocation, allocated
from provider_daemon.agent.samplers.files import Files
from provider_daemon.agent.samplers.gpus import GpuSampler
from provider_daemon.agent.samplers.health import Thresholds, findings
from provider_daemon.agent.samplers.jobs import JobSampler
from provider_daemon.agent.samplers.kernel_log import KernelLog
from provider_daemon.agent.samplers.load import Load, LoadSampler
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

MAX_ERROR, MAX_WORD = 256, 128  # characters that a heartbeat may have
_KERNEL_LOG = "kernel log"
_UNKNOWN: frozenset[str] | None = None
_NO_NODES: tuple[int, ...] = ()
_EARLY = 0.9  # of an interval: a heartbeat may come a little earlier than the one before


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """`node_name`: SLURM's name of the node. `root`: where /proc and /sys are, `/` outside of tests.

    `storage_directory`: its file system is the node's local storage. `network_mbps`: the speed of each
    network card, 0 for what its driver reports. `munge_socket`: "" where SLURM does not use munge.
    `interconnect`, `network_fabric`: "" for what the kernel shows. `published_fingerprint`: as the published
    agent computes it.
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
        programs = Programs()
        self._log = KernelLog(self._files.path("/dev/kmsg"))
        self._load = LoadSampler(self._files, self._readings, settings.network_mbps, time.monotonic())
        self._jobs = JobSampler(settings.node_name, settings.slurmd_spool)
        self._gpus = GpuSampler(self._files, self._readings, programs, self._log)
        self._services = ServiceSampler(
            self._files,
            self._readings,
            programs,
            slurmd_port=settings.slurmd_port,
            munge_socket=settings.munge_socket,
            runtimes=settings.container_runtimes,
        )
        self._last: Sample | None = None

    def hardware(self) -> tuple[Hardware, Topology, str]:
        """Returns what the node is, and its fingerprint (hex SHA-256)."""
        sample = self._last or self.sample(time.time())
        hardware = self._hardware(sample.gpus)
        if self._settings.published_fingerprint:
            return hardware, self._topology(), fingerprint.published(hardware, sample.capacity)
        addresses = machine.hardware_addresses(self._files)
        return hardware, self._topology(), fingerprint.fingerprint(hardware, sample.capacity, addresses)

    def sample(self, now: float) -> Sample:
        """Measures the node. `now`: seconds since the epoch."""
        monotonic = time.monotonic()
        self._readings.get(_KERNEL_LOG, lambda: self._log.follow(monotonic), None)
        load = self._load.sample(monotonic)
        listening = self._readings.get("sockets", self._listening, _UNKNOWN)
        jobs = self._readings.get(
            "jobs",
            lambda: self._jobs.sample(listening or frozenset(), now),
            JobCounts(),
            now=now,
            seconds=pace.seconds(pace.JOBS, load.cpu) * _EARLY,
        )
        services, gpus = self._services.sample(listening, now), self._gpus.sample(now)
        self._last = Sample(
            self._capacity(gpus), self._health(load, services, gpus, now), jobs, services, gpus
        )
        return self._last

    def _listening(self) -> frozenset[str] | None:
        return sockets.unix_paths(self._files.text("/proc/net/unix"))

    def _capacity(self, gpus: tuple[Gpu, ...]) -> Capacity:
        taken = self._readings.get(
            "allocation",
            lambda: allocated(self._files, self._settings.node_name, self._jobs.running),
            Allocation(),
        )
        memory, storage = self._load.memory(), self._readings.get("storage", self._storage, values.Storage())
        return values.capacity(self._cores(), memory.total, storage, gpus, taken)

    def _cores(self) -> processor.Cores:
        return self._readings.get("cores", lambda: processor.cores(self._files), processor.Cores(0, 0, 0))

    def _storage(self) -> values.Storage:
        found = os.statvfs(self._settings.storage_directory)
        return values.Storage(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)

    def _health(self, load: Load, services: Services, gpus: tuple[Gpu, ...], now: float) -> Health:
        measured = values.health(
            load,
            gpus,
            uptime=self._readings.get("uptime", self._uptime, 0),
            temperature=self._readings.get(
                "temperature",
                lambda: temperature.hottest(self._files),
                0,
                now=now,
                seconds=pace.seconds(pace.TEMPERATURE, load.cpu) * _EARLY,
            ),
            errors=self._log.errors,
            warnings=self._log.warnings,
        )
        munge_expected = bool(self._settings.munge_socket)
        found = findings(measured, services, gpus, self._settings.thresholds, munge_expected=munge_expected)
        status = found[0].status if found else HealthStatus.HEALTHY
        # Only what decides the status: the text is the reason of a hold, and percentages always change.
        texts = [each.text for each in found if each.status is status] or self._unreadable(gpus)
        return replace(measured, status=status, last_error_message="; ".join(texts)[:MAX_ERROR])

    def _unreadable(self, gpus: tuple[Gpu, ...]) -> list[str]:
        """Returns which readings failed. Only GPUs need the kernel's log."""
        return [text for name, text in self._readings.errors.items() if gpus or name != _KERNEL_LOG]

    def _uptime(self) -> int:
        return proc.uptime(self._files.text("/proc/uptime"))

    def _hardware(self, gpus: tuple[Gpu, ...]) -> Hardware:
        cores = self._cores()
        cpu = self._readings.get("processor", lambda: processor.processor(self._files), processor.Processor())
        gpu = next((gpu for gpu in gpus if gpu.model), None)
        return Hardware(
            cpu_model=cpu.model[:MAX_WORD],
            cpu_vendor=cpu.vendor[:MAX_WORD],
            cpu_arch=os.uname().machine,
            sockets=cores.sockets,
            cores_per_socket=cores.cores_per_socket,
            threads_per_core=cores.threads_per_core,
            memory_type=machine.memory_type(self._files),
            gpu_model=gpu.model if gpu else "",
            gpu_memory_gb=gpu.memory_gb if gpu else 0,
            storage_type=machine.storage_type(self._files),
            features=cpu.features,
        )

    def _topology(self) -> Topology:
        nodes = self._readings.get("NUMA nodes", lambda: machine.numa_memory(self._files), _NO_NODES)
        kind, rate = machine.interconnect(self._files)
        return Topology(
            numa_nodes=len(nodes),
            numa_memory_gb=max(nodes, default=0) // values.KIB_PER_GB,
            interconnect=self._settings.interconnect or kind[:MAX_WORD],
            network_fabric=self._settings.network_fabric or rate[:MAX_WORD],
            topology_hint=self._settings.topology_hint,
        )
