"""Formats records as text: aligned columns for lists, one line per field for one record. Pure.

Text of customers cannot move the cursor or start a line.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from provider_daemon.text import printable

# The columns of a list: heading -> path in the record. All other fields are only in -o json.
COLUMNS: dict[str, dict[str, str]] = {
    "clusters": {
        "CLUSTER": "cluster_id",
        "NAME": "name",
        "STATE": "state",
        "REGION": "region",
        "NODES": "total_nodes",
        "AVAILABLE": "available_nodes",
        "PROVIDER": "provider_address",
    },
    "offerings": {
        "OFFERING": "offering_id",
        "CLUSTER": "cluster_id",
        "NAME": "name",
        "ACTIVE": "active",
        "QUEUES": "queue_options.partition_name",
        "MAX RUNTIME": "max_runtime_seconds",
        "CORE-HOUR": "pricing.cpu_core_hour_price",
        "CURRENCY": "pricing.currency",
    },
    "jobs": {
        "JOB": "job_id",
        "STATE": "state",
        "CLUSTER": "cluster_id",
        "QUEUE": "queue_name",
        "NODES": "resources.nodes",
        "CREATED": "created_at",
        "CUSTOMER": "customer_address",
        "MESSAGE": "status_message",
    },
    "nodes": {
        "NODE": "node_id",
        "CLUSTER": "cluster_id",
        "STATE": "state",
        "HEALTH": "health_status",
        "CORES": "resources.cpu_cores",
        "MEMORY GB": "resources.memory_gb",
        "GPUS": "resources.gpus",
        "HEARTBEAT": "last_heartbeat",
    },
    "keys": {
        "VERSION": "key_version",
        "STATE": "state",
        "RECIPIENT": "recipient",
        "FINGERPRINT": "key_fingerprint",
        "REGISTERED": "registered",
        "EXPIRES": "expires",
        "LABEL": "label",
    },
    "balances": {"DENOM": "denom", "AMOUNT": "amount"},
    "rewards": {
        "REWARD": "reward_id",
        "JOB": "job_id",
        "TOTAL": "total_reward",
        "DISPUTED": "disputed",
        "ISSUED": "issued_at",
    },
    "disputes": {
        "DISPUTE": "dispute_id",
        "JOB": "job_id",
        "STATUS": "status",
        "TYPE": "dispute_type",
        "CREATED": "created_at",
        "REASON": "reason",
    },
}

_ENUMS = (
    "CLUSTER_STATE_",
    "JOB_STATE_",
    "NODE_STATE_",
    "HEALTH_STATUS_",
    "HPC_REWARD_SOURCE_",
    "DISPUTE_STATUS_",
)
_EMPTY: tuple[Any, ...] = ("", None, [], {}, "0", 0, False)
GAP = "  "


def columns(kind: str, records: Sequence[Mapping[str, Any]], *, heading: bool = True) -> list[str]:
    """`kind` is the name of the list in the answer."""
    shown = COLUMNS[kind]
    rows = [list(shown)] if heading else []
    rows += [[cell(_at(record, path)) for path in shown.values()] for record in records]
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Pads each column to its widest cell, without trailing spaces."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        GAP.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def fields(record: Mapping[str, Any]) -> list[str]:
    """Returns a line for each field that is not empty: dotted path and value."""
    found = list(_flat(record, ""))
    width = max((len(path) for path, _ in found), default=0)
    return [f"{path.ljust(width)}{GAP}{cell(value)}" for path, value in found]


def cell(value: Any) -> str:
    """Formats a value: enum words without their prefix, coins as 1000uvirt, lists with commas."""
    if isinstance(value, list):
        return ",".join(cell(item) for item in value)
    if isinstance(value, Mapping) and set(value) == {"denom", "amount"}:
        return cell(f"{value['amount']}{value['denom']}")
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "" if value is None else str(value)
    prefix = next((prefix for prefix in _ENUMS if text.startswith(prefix)), "")
    return printable(text.removeprefix(prefix).lower() if prefix else text)


def _at(record: Any, path: str) -> Any:
    """Follows the path through lists, too: `queue_options.partition_name` is that of each item."""
    first, _, rest = path.partition(".")
    value = record.get(first) if isinstance(record, Mapping) else None
    if not rest:
        return value
    return [_at(item, rest) for item in value] if isinstance(value, list) else _at(value, rest)


def _flat(value: Any, path: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping) and set(value) != {"denom", "amount"}:
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(
        isinstance(item, Mapping) and set(item) != {"denom", "amount"} for item in value
    ):
        for index, item in enumerate(value):
            yield from _flat(item, f"{path}[{index}]")
    elif value not in _EMPTY:
        yield path, value
