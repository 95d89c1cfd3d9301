"""Reads what the machine is made of besides processors: memory, disks, network."""

import re
from collections.abc import Iterator

from provider_daemon.agent.samplers import proc
from provider_daemon.agent.samplers.files import Files

_NUMA = "/sys/devices/system/node"
_MEMORY_MODULES, _INFINIBAND = "/sys/devices/system/edac/mc", "/sys/class/infiniband"
_DDR = re.compile(r"(?:LP)?DDR\d")
_RATE = re.compile(r"\((.*)\)")
_RANDOM = "1"  # NET_ADDR_RANDOM: an address that is another one after the next boot


def numa_memory(files: Files) -> tuple[int, ...]:
    """Returns the memory of each NUMA node in KiB. Raises OSError or Unreadable."""
    nodes = sorted(proc.number_list(files.line(f"{_NUMA}/has_memory")))
    return tuple(proc.numa_memory(files.text(f"{_NUMA}/node{number}/meminfo")) for number in nodes)


def memory_type(files: Files) -> str:
    """Returns such as `DDR5`, "" where the memory controller's driver does not say."""
    for path in _memory_modules(files):
        if found := _DDR.search(files.line(path)):
            return found[0]
    return ""


def _memory_modules(files: Files) -> Iterator[str]:
    for controller in files.names(_MEMORY_MODULES):
        for module in files.names(f"{_MEMORY_MODULES}/{controller}"):
            yield f"{_MEMORY_MODULES}/{controller}/{module}/dimm_mem_type"


def storage_type(files: Files) -> str:
    """Returns the fastest kind of the local disks: nvme, ssd, hdd, or "" without one."""
    disks = [name for name in files.names("/sys/block") if files.names(f"/sys/block/{name}/device")]
    if any(name.startswith("nvme") for name in disks):
        return "nvme"
    rotational = {files.line(f"/sys/block/{name}/queue/rotational") for name in disks}
    return "ssd" if "0" in rotational else "hdd" if "1" in rotational else ""


def interconnect(files: Files) -> tuple[str, str]:
    """Returns the kind of network and its rate: `infiniband`, `4X NDR`; else `ethernet` and ""."""
    for device in files.names(_INFINIBAND):
        for port in files.names(f"{_INFINIBAND}/{device}/ports"):
            directory = f"{_INFINIBAND}/{device}/ports/{port}"
            if files.line(f"{directory}/link_layer") == "InfiniBand":
                rate = _RATE.search(files.line(f"{directory}/rate"))
                return "infiniband", rate[1] if rate else ""
    return ("ethernet" if hardware_addresses(files) else ""), ""


def hardware_addresses(files: Files) -> tuple[str, ...]:
    """Returns the lasting addresses of the machine's network cards."""
    directories = [f"/sys/class/net/{name}" for name in files.names("/sys/class/net")]
    cards = [
        each
        for each in directories
        if files.names(f"{each}/device") and files.line(f"{each}/addr_assign_type") != _RANDOM
    ]
    return tuple(sorted({address for each in cards if (address := files.line(f"{each}/address"))}))
