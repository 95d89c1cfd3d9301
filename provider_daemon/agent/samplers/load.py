"""Measures how busy the machine is, from the kernel's counters."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from provider_daemon.agent.samplers import proc
from provider_daemon.agent.samplers.files import Files
from provider_daemon.agent.samplers.readings import Readings
from provider_daemon.agent.samplers.utilization import cpu_percent, disk_percent, network_percent, percent

LEAST_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Load:
    """Percentages since the previous sample, memory as it is now. `averages`: 1, 5 and 15 minutes."""

    averages: tuple[str, ...] = ("", "", "")
    cpu: int = 0
    memory: int = 0
    disk: int = 0
    network: int = 0


@dataclass(frozen=True, slots=True)
class _Counters:
    """`at`: seconds of a monotonic clock."""

    at: float
    cpu: proc.CpuTime
    disks: Mapping[str, int]
    interfaces: Mapping[str, proc.Traffic]


class LoadSampler:
    """`network_mbps`: the speed of each network card in megabits a second; 0: as its driver reports it."""

    def __init__(self, files: Files, readings: Readings, network_mbps: int, monotonic: float) -> None:
        self._files, self._readings, self._network_mbps = files, readings, network_mbps
        self._before, self._last = self._counters(monotonic), Load()

    def sample(self, monotonic: float) -> Load:
        """Counters of less than a second say nothing: the percentages are those of the sample before."""
        if monotonic - self._before.at >= LEAST_SECONDS:
            self._compare(self._counters(monotonic))
        memory = self.memory()
        return replace(
            self._last,
            averages=self._readings.get("load average", self._averages, ("", "", "")),
            memory=percent(memory.total - memory.available, memory.total),
        )

    def _compare(self, after: _Counters) -> None:
        before, self._before = self._before, after
        seconds = after.at - before.at
        self._last = Load(
            cpu=cpu_percent(before.cpu, after.cpu),
            disk=disk_percent(before.disks, after.disks, seconds),
            network=network_percent(before.interfaces, after.interfaces, self._speeds(), seconds),
        )

    def memory(self) -> proc.Memory:
        return self._readings.get(
            "memory", lambda: proc.memory(self._files.text("/proc/meminfo")), proc.Memory(0, 0)
        )

    def _averages(self) -> tuple[str, ...]:
        return proc.load(self._files.text("/proc/loadavg"))

    def _counters(self, monotonic: float) -> _Counters:
        return _Counters(
            monotonic,
            self._readings.get("processors", self._cpu_time, proc.CpuTime(0, 0)),
            self._readings.get("disks", self._disks, {}),
            self._readings.get("network", self._interfaces, {}),
        )

    def _cpu_time(self) -> proc.CpuTime:
        return proc.cpu_time(self._files.text("/proc/stat"))

    def _disks(self) -> Mapping[str, int]:
        """Partitions, loop devices and memory disks are not devices of the machine."""
        busy = proc.disks(self._files.text("/proc/diskstats"))
        return {name: each for name, each in busy.items() if self._files.names(f"/sys/block/{name}/device")}

    def _interfaces(self) -> Mapping[str, proc.Traffic]:
        """Bridges, tunnels and the loopback interface are not devices of the machine."""
        found = proc.interfaces(self._files.text("/proc/net/dev"))
        return {
            name: each for name, each in found.items() if self._files.names(f"/sys/class/net/{name}/device")
        }

    def _speeds(self) -> Mapping[str, int]:
        return {name: self._network_mbps or self._driver_speed(name) for name in self._before.interfaces}

    def _driver_speed(self, name: str) -> int:
        """The driver writes -1, or refuses, if it does not know the speed."""
        speed = self._files.line(f"/sys/class/net/{name}/speed")
        return int(speed) if speed.isascii() and speed.isdecimal() else 0
