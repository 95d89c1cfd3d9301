"""Which GPUs are on the PCI bus, whether their driver answers or not."""

from dataclasses import dataclass
from enum import StrEnum

from provider_daemon.agent.samplers.files import Files

_DEVICES = "/sys/bus/pci/devices"
_DISPLAY, _ACCELERATOR = "0x03", "0x12"  # base classes of PCI devices


class Vendor(StrEnum):
    NVIDIA = "0x10de"
    AMD = "0x1002"


# A GPU with another driver, such as vfio-pci, belongs to a virtual machine and not to this node.
_DRIVERS = {Vendor.NVIDIA: ("nvidia", ""), Vendor.AMD: ("amdgpu",)}


@dataclass(frozen=True, slots=True)
class PciGpu:
    """`address`: `0000:3b:00.0`."""

    address: str
    vendor: Vendor


def gpus(files: Files) -> tuple[PciGpu, ...]:
    """Returns the GPUs in the order of their addresses."""
    found = []
    for address in files.names(_DEVICES):
        directory = f"{_DEVICES}/{address}"
        vendor = files.line(f"{directory}/vendor")
        if vendor not in set(Vendor) or not _is_gpu(files.line(f"{directory}/class")):
            continue
        if files.link_name(f"{directory}/driver") in _DRIVERS[Vendor(vendor)]:
            found.append(PciGpu(address, Vendor(vendor)))
    return tuple(found)


def address(text: str, index: int) -> str:
    """Returns an address as the kernel writes it, from `00000000:3B:00.0` as drivers do.

    Without one, as from an older rocm-smi, it is the GPU's number.
    """
    domain, colon, rest = text.strip().lower().partition(":")
    return f"{domain[-4:].rjust(4, '0')}:{rest}" if colon else f"{index}"


def is_address(text: str) -> bool:
    return ":" in text


def _is_gpu(device_class: str) -> bool:
    return device_class.startswith((_DISPLAY, _ACCELERATOR))
