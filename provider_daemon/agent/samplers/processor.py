"""Reads which processors the machine has, and how many."""

from dataclasses import dataclass

from provider_daemon.agent.samplers import proc
from provider_daemon.agent.samplers.files import Files
from provider_daemon.errors import Unreadable

_CPUS = "/sys/devices/system/cpu"
FEATURES = (
    *("sse4_2", "avx", "fma", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16"),
    *("avx512_fp16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "sve", "sve2", "bf16", "i8mm"),
)
# Arm's processors have no names in /proc/cpuinfo: these are the ones of servers (Arm's main ID register).
_ARM_VENDORS = {"0x41": "ARM", "0x46": "Fujitsu", "0x4e": "NVIDIA", "0xc0": "Ampere"}
_ARM_PARTS = {
    ("0x41", "0xd0c"): "Neoverse-N1",
    ("0x41", "0xd40"): "Neoverse-V1",
    ("0x41", "0xd49"): "Neoverse-N2",
    ("0x41", "0xd4f"): "Neoverse-V2",
    ("0x46", "0x001"): "A64FX",
    ("0xc0", "0xac3"): "Ampere-1",
}


@dataclass(frozen=True, slots=True)
class Processor:
    """`features`: the instruction sets that programs are built for."""

    model: str = ""
    vendor: str = ""
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cores:
    """`cores`: of all sockets together; `threads`: hardware threads that are online."""

    sockets: int
    cores: int
    threads: int

    @property
    def threads_per_core(self) -> int:
        return self.threads // self.cores if self.cores else 0

    @property
    def cores_per_socket(self) -> int:
        return self.cores // self.sockets if self.sockets else 0


def cores(files: Files) -> Cores:
    """Counts what is online. Raises OSError or Unreadable."""
    online = proc.number_list(files.text(f"{_CPUS}/online"))
    places = [_place(files, number) for number in online]
    return Cores(len({socket for socket, _ in places}), len(set(places)), len(online))


def _place(files: Files, number: int) -> tuple[str, str]:
    """Returns socket and core; the kernel numbers the cores of each socket alone."""
    directory = f"{_CPUS}/cpu{number}/topology"
    return files.text(f"{directory}/physical_package_id"), files.text(f"{directory}/core_id")


def processor(files: Files) -> Processor:
    """Raises OSError or Unreadable."""
    first = proc.first_processor(files.text("/proc/cpuinfo"))
    if not first:
        raise Unreadable("/proc/cpuinfo names no processor")
    vendor = first.get("vendor_id") or _ARM_VENDORS.get(first.get("CPU implementer", ""), "")
    part = (first.get("CPU implementer", ""), first.get("CPU part", ""))
    model = first.get("model name") or first.get("cpu") or _ARM_PARTS.get(part, " ".join(part).strip())
    flags = (first.get("flags") or first.get("Features") or "").split()
    return Processor(model, vendor, tuple(name for name in FEATURES if name in flags))
