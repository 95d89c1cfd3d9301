"""Which of the services that a compute node needs are there."""

import re
from collections.abc import Callable

from provider_daemon.agent.samplers import sockets
from provider_daemon.agent.samplers.files import Files
from provider_daemon.agent.samplers.programs import Programs, installed
from provider_daemon.agent.samplers.readings import Readings
from provider_daemon.nodes.report import Services

VERSION_SECONDS = 3600  # a version changes with an upgrade only
_NONE: frozenset[int] = frozenset()
_TIME_LIMIT = 5
_TABLE_BYTES = 1 << 16  # listening ports are first in the table: about 400 of them
_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.+~-]{0,40}")


class ServiceSampler:
    """`munge_socket`: "" where SLURM does not use munge. `runtimes`: the first one in PATH is reported."""

    def __init__(
        self,
        files: Files,
        readings: Readings,
        programs: Programs,
        *,
        slurmd_port: int,
        munge_socket: str,
        runtimes: tuple[str, ...],
    ) -> None:
        self._files, self._readings, self._programs = files, readings, programs
        self._port, self._munge, self._runtimes = slurmd_port, munge_socket, runtimes

    def sample(self, listening: frozenset[str], now: float) -> Services:
        """`listening`: paths of the Unix sockets that somebody listens on."""
        runtime = next(filter(installed, self._runtimes), "")
        return Services(
            slurmd_running=self._port in self._readings.get("ports", self._ports, _NONE),
            slurmd_version=self._version("slurmd", "-V", now),
            munge_running=sockets.current_path(self._munge) in listening,
            container_runtime=runtime,
            container_runtime_version=self._version(runtime, "--version", now),
        )

    def _ports(self) -> frozenset[int]:
        tables = [self._files.text("/proc/net/tcp", _TABLE_BYTES)]
        return sockets.tcp_ports(*tables, self._files.line("/proc/net/tcp6", _TABLE_BYTES))

    def _version(self, program: str, option: str, now: float) -> str:
        if not program or not installed(program):
            return ""
        read: Callable[[], str] = lambda: version(self._programs.output([program, option], _TIME_LIMIT))  # noqa: E731
        return self._readings.get(f"version of {program}", read, "", now=now, seconds=VERSION_SECONDS)


def version(printed: str) -> str:
    """Returns the first version number in what a program printed, "" if there is none."""
    found = _VERSION.search(printed)
    return found[0] if found else ""
