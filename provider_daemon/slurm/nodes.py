"""Parses `scontrol show node -o`."""

import re

from provider_daemon.errors import Unreadable
from provider_daemon.ports import Node
from provider_daemon.slurm import records, tres
from provider_daemon.slurm.commands import NODE_NAME
from provider_daemon.slurm.records import Fields
from provider_daemon.slurm.states import node_draining, node_powered_down, node_usable
from provider_daemon.slurm.tables import Reading, Unread

_STATE = re.compile(r"[A-Z][A-Z_+*~#!%$@^-]*")
_NUMBER = re.compile(r"[0-9]{1,12}")


def nodes(text: str) -> Reading[Node]:
    """Parses one record per node. Unreadable records are reported in `unread`; the others are used."""
    return records.read("scontrol show node", text, "NodeName", _node)


def known(reading: Reading[Node], hosts: frozenset[str]) -> Reading[Node]:
    """Moves nodes that claim a partition but are unknown to sinfo to `unread`.

    A comment can contain text that parses as such a node.
    """
    strangers = [node for node in reading.rows if node.partitions and node.host not in hosts]
    unread = [Unread(node.host, "sinfo shows no such node", whole=True, name=node.host) for node in strangers]
    rows = tuple(node for node in reading.rows if node not in strangers)
    return Reading(rows, (*reading.unread, *unread), reading.foreign)


def hosts(text: str, mark: str) -> frozenset[str]:
    """Parses the output of commands.HOSTS."""
    return frozenset(word for part in text.split(mark) for word in part.split() if NODE_NAME.fullmatch(word))


def _node(field: Fields, line: str) -> Node:
    # CfgTRES lists GPUs only if AccountingStorageTRES does.
    cards = tres.whole(tres.gres_gpus(field["Gres"]))
    gpus = sum(number for _, number in cards)
    partitions = tuple(filter(None, field.get("Partitions", "").replace("(null)", "").split(",")))
    state = _checked(_STATE, field["State"], "state")
    return Node(
        host=_checked(NODE_NAME, field["NodeName"], "node name"),
        slurm_state=state,
        usable=node_usable(state) and bool(partitions),
        draining=node_draining(state),
        cpus=_number(field, "CPUTot"),
        cpus_allocated=_number(field, "CPUAlloc"),
        memory_mib=_number(field, "RealMemory"),
        memory_allocated_mib=_number(field, "AllocMem"),
        gpus=gpus,
        gpus_allocated=min(
            gpus, sum(number for _, number in tres.whole(tres.gpus(tres.tres(field["AllocTRES"]))))
        ),
        gpu_type=cards[0][0] if cards else "",
        partitions=partitions,
        load=field.get("CPULoad", "").replace("N/A", ""),
        reason=_reason(line),
        powered_down=node_powered_down(state),
    )


def _number(field: Fields, name: str) -> int:
    return int(_checked(_NUMBER, field[name], name))


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise Unreadable(f"not a {what}: {value[:40]!r}")
    return value


def _reason(line: str) -> str:
    _, found, rest = line.partition(" Reason=")
    return rest.partition(" [")[0].strip()[:200] if found else ""
