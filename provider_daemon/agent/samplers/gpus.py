"""Measures the GPUs of a node, and notices those that no longer answer (docs/agent.md, 'GPUs').

nvidia-smi and rocm-smi run as processes with a time limit, and no library of a driver is loaded here: a call
into a driver whose GPU is broken may never return, and the agent would fall silent just when it has something
to report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from provider_daemon.agent.samplers import pci
from provider_daemon.agent.samplers.files import Files
from provider_daemon.agent.samplers.gpu_tools import AmdTool, NvidiaTool
from provider_daemon.agent.samplers.kernel_log import KernelLog
from provider_daemon.agent.samplers.pci import PciGpu, Vendor
from provider_daemon.agent.samplers.programs import Programs, installed
from provider_daemon.agent.samplers.readings import Readings
from provider_daemon.errors import ProvdError, Transient
from provider_daemon.nodes.report import Gpu, GpuState

HOUR = 3600
_NONE: tuple[PciGpu, ...] = ()
MAX_GPUS, MAX_REASON = 64, 256  # as many as a heartbeat may have


class GpuTool(Protocol):
    """The program of a vendor. GPUs are named by their PCI addresses.

    `reads_one`: it can be asked about one GPU.
    """

    program: str
    reads_one: bool

    def read(self, now: float, address: str = "") -> Mapping[str, Gpu]:
        """Reads all GPUs, or the one at `address`.

        Raises OSError, Transient if the program did not end in time, Refused or Unreadable if it failed.
        """
        ...

    def logged(self, address: str) -> tuple[int, ...]:
        """Returns the numbers of the errors that the driver logged about a GPU."""
        ...


class GpuSampler:
    """A GPU that was there once is reported as failed when it is gone, so this is made once."""

    def __init__(self, files: Files, readings: Readings, programs: Programs, log: KernelLog) -> None:
        self._files, self._readings = files, readings
        self._tools: dict[Vendor, GpuTool] = {
            Vendor.NVIDIA: NvidiaTool(readings, programs, log),
            Vendor.AMD: AmdTool(files, programs),
        }
        self._seen: dict[Vendor, dict[str, Gpu]] = {vendor: {} for vendor in Vendor}

    def sample(self, now: float) -> tuple[Gpu, ...]:
        """`now`: seconds since the epoch."""
        on_bus = self._readings.get("PCI bus", lambda: pci.gpus(self._files), _NONE, now=now, seconds=HOUR)
        found: list[Gpu] = []
        for vendor, tool in self._tools.items():
            expected = [each.address for each in on_bus if each.vendor is vendor]
            if self._seen[vendor] or installed(tool.program):
                found += self._sample(tool, self._seen[vendor], expected, now)
        return tuple(found[:MAX_GPUS])

    def _sample(self, tool: GpuTool, seen: dict[str, Gpu], expected: Sequence[str], now: float) -> list[Gpu]:
        """Returns the GPUs of one vendor by index: those that answer, and those that should."""
        present = list(dict.fromkeys([*expected, *seen]))
        answers, reasons = _read(tool, present, now)
        found = {address: _identified(gpu, seen.get(address)) for address, gpu in answers.items()}
        seen.update(found)
        if not all(map(pci.is_address, seen)):  # known by number: which of those on the bus is unknown
            present = [address for address in seen if not pci.is_address(address)]
        gpus = list(found.values())
        for address in present:
            if address not in found:
                reason = reasons.get(address, f"{tool.program} does not list it")
                gpus.append(_silent(tool, address, seen.get(address), gpus, reason))
        return sorted(gpus, key=lambda gpu: gpu.index)


def _read(tool: GpuTool, present: Sequence[str], now: float) -> tuple[Mapping[str, Gpu], Mapping[str, str]]:
    """Returns the GPUs that answer, and why others do not, by address."""
    try:
        return tool.read(now), {}
    except (OSError, Transient) as error:  # it cannot be started, or would hang again for each GPU
        return {}, dict.fromkeys(present, str(error))
    except ProvdError as error:
        if not tool.reads_one:
            return {}, dict.fromkeys(present, str(error))
    # One lost GPU can make the program fail for all of them.
    found: dict[str, Gpu] = {}
    reasons: dict[str, str] = {}
    for address in present:
        try:
            found.update(tool.read(now, address))
        except Transient as error:  # it would hang again for each of the others
            waiting = (each for each in present if each not in found and each not in reasons)
            return found, reasons | dict.fromkeys(waiting, str(error))
        except (OSError, ProvdError) as error:
            reasons[address] = str(error)
    return found, reasons


def _identified(gpu: Gpu, last: Gpu | None) -> Gpu:
    """A lost GPU is still listed, but no longer says what it is."""
    if gpu.model or not last:
        return gpu
    return replace(gpu, uuid=last.uuid, model=last.model, memory_gb=last.memory_gb)


def _silent(tool: GpuTool, address: str, last: Gpu | None, others: Sequence[Gpu], reason: str) -> Gpu:
    """Returns a GPU that does not answer, as it was when it did."""
    taken = {gpu.index for gpu in others}
    free = next(number for number in range(len(taken) + 1) if number not in taken)
    known = last or Gpu(free, GpuState.FAILED)
    return Gpu(
        index=free if known.index in taken else known.index,
        state=GpuState.FAILED,
        uuid=known.uuid,
        model=known.model,
        memory_gb=known.memory_gb,
        xid_errors=tool.logged(address),
        reason=f"does not answer: {reason}"[:MAX_REASON],
    )
