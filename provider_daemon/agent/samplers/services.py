"""Which of the services that a compute node needs are there."""

import re
from collections.abc import Callable

from provider_daemon.agent.samplers import sockets
from provider_daemon.agent.samplers.files import MAX_BYTES, Files
from provider_daemon.agent.samplers.programs import Programs, installed
from provider_daemon.agent.samplers.readings import Readings
from provider_daemon.nodes.report import Services

VERSION_SECONDS = 3600  # a version changes with an upgrade only
_TIME_LIMIT = 5
_FIRST_BYTES = 1 << 16  # listening ports are first in the table, and a server has few: 400 fit
_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.+~-]{0,40}")


class ServiceSampler:
    """`munge_socket`: "" where SLURM does not use munge. `runtimes`: the first one in PATH is reported.

    A service counts as running until a table of sockets was read that lacks it: what cannot be read is no
    reason to take a node off the market, and SLURM knows whether slurmd answers.
    """

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

    def sample(self, listening: frozenset[str] | None, now: float) -> Services:
        """`listening`: paths of the Unix sockets that somebody listens on, None if they are unknown."""
        runtime = next(filter(installed, self._runtimes), "")
        return Services(
            slurmd_running=self._readings.get("ports", self._slurmd_listens, True),
            slurmd_version=self._version("slurmd", "-V", now),
            munge_running=listening is None or sockets.current_path(self._munge) in listening,
            container_runtime=runtime,
            container_runtime_version=self._version(runtime, "--version", now),
        )

    def _slurmd_listens(self) -> bool:
        return any(self._port in self._ports(most) for most in (_FIRST_BYTES, MAX_BYTES))

    def _ports(self, most: int) -> frozenset[int]:
        tables = [self._files.text("/proc/net/tcp", most)]
        return sockets.tcp_ports(*tables, self._files.line("/proc/net/tcp6", most))

    def _version(self, program: str, option: str, now: float) -> str:
        if not program or not installed(program):
            return ""
        read: Callable[[], str] = lambda: version(self._programs.output([program, option], _TIME_LIMIT))  # noqa: E731
        return self._readings.get(f"version of {program}", read, "", now=now, seconds=VERSION_SECONDS)


def version(printed: str) -> str:
    """Returns the first version number in what a program printed, "" if there is none."""
    found = _VERSION.search(printed)
    return found[0] if found else ""
