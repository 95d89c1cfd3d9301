"""Asks the GPU vendors' programs."""

from collections.abc import Mapping

from provider_daemon.agent.samplers import nvidia, rocm
from provider_daemon.agent.samplers.files import Files
from provider_daemon.agent.samplers.kernel_log import KernelLog
from provider_daemon.agent.samplers.programs import Programs
from provider_daemon.agent.samplers.readings import Readings
from provider_daemon.nodes.report import Gpu

TIME_LIMIT = 10  # seconds; without nvidia-persistenced each call initializes the driver first
FIELDS_SECONDS = 3600  # a driver that is upgraded may know more fields
_RAS = "/sys/bus/pci/devices/{address}/ras"


class NvidiaTool:
    """nvidia-smi, and what the driver writes into the kernel's log."""

    program = "nvidia-smi"
    reads_one = True

    def __init__(self, readings: Readings, programs: Programs, log: KernelLog) -> None:
        self._readings, self._programs, self._log = readings, programs, log

    def read(self, now: float, address: str = "") -> Mapping[str, Gpu]:
        fields = self._readings.get(
            "fields of nvidia-smi", self._fields, nvidia.FIELDS, now=now, seconds=FIELDS_SECONDS
        )
        printed = self._programs.output(nvidia.query(fields, address), TIME_LIMIT)
        found = nvidia.parse(printed, fields)
        return {each.address: nvidia.judge(each, self._log.xids(each.address)) for each in found}

    def logged(self, address: str) -> tuple[int, ...]:
        return nvidia.numbers(self._log.xids(address))

    def _fields(self) -> tuple[str, ...]:
        return nvidia.known_fields(self._programs.output(["nvidia-smi", "--help-query-gpu"], TIME_LIMIT))


class AmdTool:
    """rocm-smi, and the error counters of the driver."""

    program = "rocm-smi"
    reads_one = False

    def __init__(self, files: Files, programs: Programs) -> None:
        self._files, self._programs = files, programs

    def read(self, now: float, address: str = "") -> Mapping[str, Gpu]:
        found = rocm.parse(self._programs.output(rocm.COMMAND, TIME_LIMIT))
        return {each.address: rocm.judge(each.gpu, self._errors(each.address)) for each in found}

    def logged(self, address: str) -> tuple[int, ...]:
        return ()

    def _errors(self, address: str) -> int:
        """Returns how many uncorrectable errors the driver counted since it was loaded."""
        directory = _RAS.format(address=address)
        counters = [name for name in self._files.names(directory) if name.endswith("_err_count")]
        return sum(rocm.uncorrected(self._files.line(f"{directory}/{name}")) for name in counters)
