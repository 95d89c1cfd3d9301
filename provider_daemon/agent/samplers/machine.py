"""Reads what the machine is: processors, memory, disks, interconnect, NUMA nodes."""

from collections.abc import Iterator
from dataclasses import dataclass

from provider_daemon.agent.samplers import proc
from provider_daemon.agent.samplers.files import Files

_CPUS, _NUMA = "/sys/devices/system/cpu", "/sys/devices/system/node"


@dataclass(frozen=True, slots=True)
class Cores:
    """`cores`: of all sockets together; `threads`: hardware threads that are online."""

    sockets: int
    cores: int
    threads: int

    @property
    def threads_per_core(self) -> int:
        return self.threads // self.cores if self.cores else 0


def cores(files: Files) -> Cores:
    """Counts what is online. Raises OSError or Unreadable."""
    online = proc.number_list(files.text(f"{_CPUS}/online"))
    places = [_place(files, number) for number in online]
    return Cores(len({socket for socket, _ in places}), len(set(places)), len(online))


def _place(files: Files, number: int) -> tuple[str, str]:
    """Returns socket and core; the kernel numbers the cores of each socket alone."""
    directory = f"{_CPUS}/cpu{number}/topology"
    return files.text(f"{directory}/physical_package_id"), files.text(f"{directory}/core_id")


def numa_memory(files: Files) -> tuple[int, ...]:
    """Returns the memory of each NUMA node in KiB. Raises OSError or Unreadable."""
    return tuple(_numa(files))


def _numa(files: Files) -> Iterator[int]:
    for number in sorted(proc.number_list(files.line(f"{_NUMA}/has_memory"))):
        yield proc.numa_memory(files.text(f"{_NUMA}/node{number}/meminfo"))
