"""`scontrol show node -o` -> nodes."""

import re

from provider_daemon.errors import Unreadable
from provider_daemon.ports import Node
from provider_daemon.slurm import tres
from provider_daemon.slurm.states import node_draining, node_usable

_FIELD = re.compile(r"(?:^|\s)([A-Za-z/:]+)=(\S*)")


def nodes(text: str) -> tuple[Node, ...]:
    """One a line. Raises Unreadable for a line that is no node."""
    return tuple(_node(line) for line in text.splitlines() if line.strip())


def _node(line: str) -> Node:
    fields = dict(reversed(_FIELD.findall(line)))
    try:
        cards = tres.gres_gpus(fields["Gres"])  # CfgTRES names GPUs only where AccountingStorageTRES does
        return Node(
            host=fields["NodeName"],
            slurm_state=fields["State"],
            usable=node_usable(fields["State"]),
            draining=node_draining(fields["State"]),
            cpus=int(fields["CPUTot"]),
            cpus_allocated=int(fields["CPUAlloc"]),
            memory_mib=int(fields["RealMemory"]),
            memory_allocated_mib=int(fields["AllocMem"]),
            gpus=sum(number for _, number in cards),
            gpus_allocated=sum(number for _, number in tres.gpus(tres.tres(fields["AllocTRES"]))),
            gpu_type=cards[0][0] if cards else "",
            partitions=tuple(filter(None, fields.get("Partitions", "").split(","))),
            load=fields.get("CPULoad", "").replace("N/A", ""),
            reason=_reason(line),
        )
    except (KeyError, ValueError) as error:
        raise Unreadable(f"scontrol show node: cannot read {line[:120]!r} ({error})") from error


def _reason(line: str) -> str:
    _, found, rest = line.partition(" Reason=")
    return rest.partition(" [")[0].strip()[:200] if found else ""
