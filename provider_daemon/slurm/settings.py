"""What SLURM and the login node say of themselves, for the doctor: `scontrol show config` and its like -> plain values."""

import re
from dataclasses import dataclass

from provider_daemon.errors import Unreadable
from provider_daemon.slurm.commands import ASSOCIATION_FIELDS
from provider_daemon.slurm.tres import elapsed_seconds

_SETTING = re.compile(r"^(\w+(?:\[\d+\])?) *= (.*)$", re.MULTILINE)
_FIELD = re.compile(r"(?:^|\s)([A-Za-z]+)=(\S*)")
_NODE_HOST = re.compile(r"\sNodeHostName=(\S+)")
_UNLIMITED = ("UNLIMITED", "NONE", "")


@dataclass(frozen=True, slots=True)
class Partition:
    """`nodes` and `max_nodes` in nodes, `max_seconds` of a job; 0 means no limit of its own."""

    name: str
    state: str
    nodes: int
    max_nodes: int
    max_seconds: int


@dataclass(frozen=True, slots=True)
class Association:
    """Where a user may submit. `partition` "" is every one; limits in jobs, None where there is none."""

    cluster: str
    account: str
    partition: str
    qos: tuple[str, ...]
    max_submit: int | None


@dataclass(frozen=True, slots=True)
class WorkRoot:
    """`problem`: why no directory can be made in it, or "". `file_system` is stat's word; `host` where it was looked at."""

    problem: str
    file_system: str
    free_bytes: int
    host: str


def settings(text: str) -> dict[str, str]:
    """`scontrol show config`: name -> value as printed, "" for (null). The cgroup part behind it has names of its own."""
    found = {name: "" if value.strip() == "(null)" else value.strip() for name, value in _SETTING.findall(text)}
    if "SLURM_VERSION" not in found:
        raise Unreadable(f"scontrol show config: no SLURM_VERSION in {text[:120]!r}")
    return found


def number(value: str) -> int:
    """`300 sec` -> 300."""
    found = re.match(r"\d+", value)
    if found is None:
        raise Unreadable(f"scontrol show config: {value!r} is no number")
    return int(found[0])


def release(version: str) -> tuple[str, int]:
    """`22.05.8` -> ("22.05", 8); a suffix like -rc1 is not looked at."""
    found = re.match(r"(\d+\.\d+)\.(\d+)", version)
    if found is None:
        raise Unreadable(f"SLURM version {version!r} cannot be read")
    return found[1], int(found[2])


def partitions(text: str) -> tuple[Partition, ...]:
    """`scontrol show partition -o`: one a line."""
    return tuple(_partition(line) for line in text.splitlines() if line.strip())


def _partition(line: str) -> Partition:
    fields = dict(reversed(_FIELD.findall(line)))
    try:
        return Partition(
            name=fields["PartitionName"],
            state=fields["State"],
            nodes=int(fields["TotalNodes"]),
            max_nodes=0 if fields["MaxNodes"] in _UNLIMITED else int(fields["MaxNodes"]),
            max_seconds=0 if fields["MaxTime"] in _UNLIMITED else elapsed_seconds(fields["MaxTime"]),
        )
    except (KeyError, ValueError) as error:
        raise Unreadable(f"scontrol show partition: cannot read {line[:120]!r} ({error})") from error


def associations(text: str) -> tuple[str, tuple[Association, ...]]:
    """(our user, where it may submit): the answer of commands.ASSOCIATIONS."""
    user, _, rows = text.partition("\n")
    return user.strip(), tuple(_association(line) for line in rows.splitlines() if line)


def _association(line: str) -> Association:
    parts = line.split("|")
    if len(parts) != len(ASSOCIATION_FIELDS):
        raise Unreadable(f"sacctmgr show assoc: cannot read {line[:120]!r}")
    cluster, account, partition, qos, *limits = parts
    jobs = [int(limit) for limit in limits if limit.isdecimal()]
    return Association(cluster, account, partition, tuple(filter(None, qos.split(","))), min(jobs, default=None))


def node_hosts(text: str) -> frozenset[str]:
    """The host names of the machines behind the nodes of `scontrol show node -o`."""
    return frozenset(_NODE_HOST.findall(text))


def work_root(text: str) -> WorkRoot:
    """The answer of commands.WORK_ROOT."""
    lines = text.split("\n")
    if len(lines) < 4:
        raise Unreadable(f"the work root cannot be looked at: {text[:120]!r}")
    space = lines[2].split()
    free = int(space[3]) * 1024 if len(space) > 5 and space[3].isdecimal() else 0
    return WorkRoot(lines[0].strip(), lines[1].strip(), free, lines[3].strip())
