"""Compute nodes in the ledger: who may report, commands to agents, and holds.

Functions that write run inside `with ledger.write():`.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby

from provider_daemon.ledger.ledger import Ledger
from provider_daemon.nodes.allowed import AllowedNode, NodeDirectory
from provider_daemon.nodes.command import CommandKind, CommandResult, IssuedCommand, SignedCommand
from provider_daemon.nodes.hold import HoldSource, NodeHold

KEPT_COMMANDS = 50  # of a node


@dataclass(frozen=True, slots=True)
class StoredHeartbeat:
    """`body`: a serialized google.protobuf.Any. `at`: when it was stored; 0 if it is not in a block yet."""

    node_id: str
    body: bytes
    at: float


def allow(ledger: Ledger, node: AllowedNode) -> None:
    """Allows a node, or replaces its token. `keys_since` never becomes earlier."""
    ledger._run("allow_node", **asdict(node))


def revoke(ledger: Ledger, node_id: str, operator: str, now: float) -> bool:
    """Returns whether the node was allowed until now."""
    return ledger._run("revoke_node", node_id=node_id, operator=operator, now=now).rowcount > 0


def allowed(ledger: Ledger, cluster_id: str) -> dict[str, AllowedNode]:
    """Returns the nodes of a cluster by node id, revoked ones too."""
    return {row["node_id"]: AllowedNode(**row) for row in ledger._all("allowed_nodes", cluster_id=cluster_id)}


def next_sequence(ledger: Ledger, node_id: str, now: float) -> int:
    """Returns the sequence of the next command to a node.

    It is at least the time, so that agents accept it also after the ledger was lost or restored.
    """
    (row,) = ledger._all("last_command_sequence", node_id=node_id)
    return max(int(row["sequence"] or 0) + 1, int(now))


def add_command(ledger: Ledger, command: IssuedCommand) -> None:
    """Adds a command, and forgets all but the newest of its node.

    Raises LedgerError, and the transaction changes nothing, if the node has one with its sequence.
    """
    ledger._run("add_command", **_values(command))
    ledger._run("prune_commands", node_id=command.node_id, count=KEPT_COMMANDS)


def command(ledger: Ledger, command_id: str) -> IssuedCommand | None:
    row = ledger._one("get_command", command_id=command_id)
    return _command(row) if row else None


def commands(ledger: Ledger, node_id: str) -> list[IssuedCommand]:
    """Returns the commands to a node, newest first."""
    return [_command(row) for row in ledger._all("commands_of_node", node_id=node_id)]


def open_commands(ledger: Ledger) -> list[IssuedCommand]:
    """Returns the commands whose result is not known, by node and sequence, after their deadline too."""
    return [_command(row) for row in ledger._all("open_commands")]


def finish_command(ledger: Ledger, command_id: str, result: CommandResult, output: str, now: float) -> bool:
    """Stores what became of a command. Returns False, and changes nothing, if that was known already."""
    values = {"command_id": command_id, "result": result, "output": output, "now": now}
    return ledger._run("finish_command", **values).rowcount > 0


def hold(ledger: Ledger, held: NodeHold) -> None:
    """Adds a hold, or replaces the one of the same source."""
    ledger._run("hold_node", **asdict(held))


def release(ledger: Ledger, cluster_id: str, host: str, source: HoldSource) -> bool:
    """Returns whether there was such a hold."""
    return ledger._run("release_node", cluster_id=cluster_id, host=host, source=source).rowcount > 0


def holds(ledger: Ledger, cluster_id: str) -> list[NodeHold]:
    """Returns the holds of a cluster's nodes, by host."""
    return [
        NodeHold(**{**dict(row), "source": HoldSource(row["source"])})
        for row in ledger._all("node_holds", cluster_id=cluster_id)
    ]


def heartbeats(ledger: Ledger, since: float) -> list[StoredHeartbeat]:
    """Returns each node's newest heartbeat, of all clusters: those that wait, then those in a block."""
    rows = [*ledger._all("waiting_nodes"), *ledger._all("confirmed_nodes", since=since)]
    return [StoredHeartbeat(row["subject"], row["body"], row["created_at"]) for row in rows]


def directory(allowed_rows: Iterable[sqlite3.Row], command_rows: Iterable[sqlite3.Row]) -> NodeDirectory:
    """Returns what the collector reads. `command_rows`: by node, in the order of their sequence."""
    return NodeDirectory(
        {row["node_id"]: AllowedNode(**row) for row in allowed_rows},
        {
            node_id: tuple(SignedCommand(row["document"], row["signature"]) for row in rows)
            for node_id, rows in groupby(command_rows, lambda row: str(row["node_id"]))
        },
    )


def _values(command: IssuedCommand) -> dict[str, object]:
    values = asdict(command)
    return {**values, **values["signed"]}


def _command(row: sqlite3.Row) -> IssuedCommand:
    values = dict(row)
    signed = SignedCommand(values.pop("document"), values.pop("signature"))
    kind, result = CommandKind(values.pop("kind")), values.pop("result")
    return IssuedCommand(**values, kind=kind, signed=signed, result=CommandResult(result) if result else None)
