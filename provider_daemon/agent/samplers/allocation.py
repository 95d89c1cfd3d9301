"""What SLURM's jobs may use on this node, from the cgroups in which slurmstepd runs them.

They are there where SLURM uses task/cgroup; elsewhere nothing counts as allocated, and the daemon takes the
allocation from SLURM (docs/agent.md, 'Fields').
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provider_daemon.agent.samplers import proc
from provider_daemon.agent.samplers.files import Files

_UNIFIED = "/sys/fs/cgroup/system.slice"
_CPUS, _MEMORY = "/sys/fs/cgroup/cpuset", "/sys/fs/cgroup/memory"


@dataclass(frozen=True, slots=True)
class Allocation:
    """Hardware threads and bytes of all jobs together."""

    threads: int = 0
    memory: int = 0


def allocated(files: Files, node_name: str, jobs: Iterable[int]) -> Allocation:
    """Raises Unreadable. A job that ends meanwhile does not count."""
    threads: set[int] = set()
    memory = 0
    for job in jobs:
        for directory in _directories(files, node_name, job):
            threads |= proc.number_list(files.line(f"{directory}/cpuset.cpus"))
            limits = (files.line(f"{directory}/{name}") for name in ("memory.max", "memory.limit_in_bytes"))
            memory += sum(int(limit) for limit in limits if _is_limit(limit))
    return Allocation(len(threads), memory)


def _directories(files: Files, node_name: str, job: int) -> Iterator[str]:
    """Returns where a job's cgroups can be: with version 2 one, with version 1 one for each controller."""
    for scope in ("slurmstepd.scope", f"{node_name}_slurmstepd.scope"):
        yield f"{_UNIFIED}/{scope}/job_{job}"
    for controller in (_CPUS, _MEMORY):
        for slurm in ("slurm", f"slurm_{node_name}"):
            for user in files.names(f"{controller}/{slurm}"):
                if user.startswith("uid_"):
                    yield f"{controller}/{slurm}/{user}/job_{job}"


def _is_limit(text: str) -> bool:
    """Without a limit version 2 writes `max`, and version 1 a number near 2⁶³."""
    return text.isascii() and text.isdecimal() and int(text) < 2**60
