"""Parses the configuration of SLURM and the login node (`scontrol show config` and others) for doctor."""

import re
from dataclasses import dataclass

from provider_daemon.errors import Unreadable
from provider_daemon.slurm import records
from provider_daemon.slurm.commands import ASSOCIATION_FIELDS
from provider_daemon.slurm.tables import Reading
from provider_daemon.slurm.tres import elapsed_seconds

_SETTING = re.compile(r"^(\w+(?:\[\d+\])?) *= (.*)$", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_.@+-]*")
_LIMIT = re.compile(r"[0-9]{0,10}")
_QOS = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.@+-]*)\|[0-9]+")
_NODE_HOST = re.compile(r"\sNodeHostName=(\S+)")
_UNLIMITED = ("UNLIMITED", "NONE", "")


@dataclass(frozen=True, slots=True)
class Partition:
    """`nodes` and `max_nodes` are in nodes, `max_seconds` is per job; 0 means no limit."""

    name: str
    state: str
    nodes: int
    max_nodes: int
    max_seconds: int


@dataclass(frozen=True, slots=True)
class Association:
    """Where a user may submit. `partition` "" means every one; limits are in jobs, None means no limit."""

    cluster: str
    account: str
    partition: str
    qos: tuple[str, ...]
    max_submit: int | None


@dataclass(frozen=True, slots=True)
class WorkRoot:
    """`problem` is why no directory can be created in it, or ""; `file_system` is stat's name for the type.

    `host` is the host where the check ran.
    """

    problem: str
    file_system: str
    free_bytes: int
    host: str


def settings(text: str) -> dict[str, str]:
    """Parses `scontrol show config` into name -> value, "" for (null). The cgroup section has other names."""
    found = {
        name: "" if value.strip() == "(null)" else value.strip() for name, value in _SETTING.findall(text)
    }
    if "SLURM_VERSION" not in found:
        raise Unreadable(f"scontrol show config: no SLURM_VERSION in {text[:120]!r}")
    return found


def number(value: str) -> int:
    """Parses a number with a unit: `300 sec` is 300."""
    found = re.match(r"\d+", value)
    if found is None:
        raise Unreadable(f"scontrol show config: invalid number: {value!r}")
    return int(found[0])


def release(version: str) -> tuple[str, int]:
    """Parses a version: `22.05.8` is ("22.05", 8). A suffix such as -rc1 is ignored."""
    found = re.match(r"(\d+\.\d+)\.(\d+)", version)
    if found is None:
        raise Unreadable(f"invalid SLURM version: {version!r}")
    return found[1], int(found[2])


def partitions(text: str) -> Reading[Partition]:
    """Parses `scontrol show partition -o`, one record per partition."""
    return records.read("scontrol show partition", text, "PartitionName", _partition)


def _partition(field: records.Fields, line: str) -> Partition:
    if not _NAME.fullmatch(field["PartitionName"]):
        raise Unreadable(f"invalid partition name: {field['PartitionName'][:40]!r}")
    return Partition(
        name=field["PartitionName"],
        state=field["State"],
        nodes=int(field["TotalNodes"]),
        max_nodes=0 if field["MaxNodes"] in _UNLIMITED else int(field["MaxNodes"]),
        max_seconds=0 if field["MaxTime"] in _UNLIMITED else elapsed_seconds(field["MaxTime"]),
    )


def associations(text: str) -> tuple[str, Reading[Association]]:
    """Parses the output of commands.ASSOCIATIONS: (provd's user, where that user may submit)."""
    user, _, table = text.partition("\n")
    found, foreign = list[Association](), list[str]()
    for line in records.rows_after("sacctmgr show assoc", table, "Cluster|Account|Partition|QOS|"):
        if (each := _association(line)) is not None:
            found.append(each)
        elif line.strip():
            foreign.append(line.strip())
    return user.strip(), Reading(tuple(found), foreign=tuple(foreign))


def _association(line: str) -> Association | None:
    """Returns None for a line that is not a row."""
    parts = line.split("|")
    if len(parts) != len(ASSOCIATION_FIELDS):
        return None
    cluster, account, partition, qos, *limits = parts
    names = [cluster, account, *filter(None, (partition, *qos.split(",")))]
    if not all(_NAME.fullmatch(name) for name in names) or not all(
        _LIMIT.fullmatch(limit) for limit in limits
    ):
        return None
    jobs = [int(limit) for limit in limits if limit]
    return Association(
        cluster, account, partition, tuple(filter(None, qos.split(","))), min(jobs, default=None)
    )


def account(text: str, name: str) -> bool:
    """Whether the output of commands.ACCOUNT has the account."""
    return name in records.rows_after("sacctmgr show account", text, "Account")


def qos(text: str) -> frozenset[str]:
    """Parses the output of commands.QOS."""
    rows = (_QOS.fullmatch(line) for line in records.rows_after("sacctmgr show qos", text, "Name|Priority"))
    return frozenset(row[1] for row in rows if row)


def node_hosts(text: str) -> frozenset[str]:
    """Returns the host names of the machines in `scontrol show node -o`."""
    return frozenset(_NODE_HOST.findall(text))


def work_root(text: str) -> WorkRoot:
    """Parses the output of commands.WORK_ROOT."""
    lines = text.split("\n")
    if len(lines) < 4:
        raise Unreadable(f"cannot inspect work_root: {text[:120]!r}")
    space = lines[2].split()
    free = int(space[3]) * 1024 if len(space) > 5 and space[3].isdecimal() else 0
    return WorkRoot(lines[0].strip(), lines[1].strip(), free, lines[3].strip())
