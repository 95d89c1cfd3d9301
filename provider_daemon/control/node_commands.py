"""Draining, resuming and diagnosing compute nodes: holds in the ledger, and signed commands to agents."""

from secrets import token_hex
from typing import Literal

from pydantic import Field

from provider_daemon.audit_log.records import Action
from provider_daemon.config.model import ClusterConfig
from provider_daemon.control.cluster_key import cluster_key
from provider_daemon.control.node_hosts import Nodes, OneNode, check_known, the_cluster
from provider_daemon.control.operation import Body, Context, Deed, Operation, Reason
from provider_daemon.errors import Refused
from provider_daemon.ledger import nodes
from provider_daemon.node_protocol import command
from provider_daemon.node_protocol.command import NodeCommand
from provider_daemon.nodes.command import CommandKind, CommandResult, IssuedCommand
from provider_daemon.nodes.hold import HoldSource, NodeHold
from provider_daemon.nodes.ids import first_id

# How long an agent may still start a command. One that arrives later is not executed.
DEADLINE_SECONDS = {
    CommandKind.DRAIN: 3600,
    CommandKind.RESUME: 3600,
    CommandKind.RUN_DIAGNOSTIC: 300,
    CommandKind.SHUTDOWN: 300,
    CommandKind.UPDATE_AGENT: 3600,
}
MAX_OPEN = 8  # commands of a node that its agent has not answered
_STATES = frozenset({CommandKind.DRAIN, CommandKind.RESUME})


class DrainNodes(Nodes):
    reason: Reason


class ResumeNodes(Nodes):
    reason: str = Field(default="", max_length=200)


class SendCommand(OneNode):
    kind: Literal[CommandKind.RUN_DIAGNOSTIC, CommandKind.SHUTDOWN, CommandKind.UPDATE_AGENT]
    reason: str = Field(default="", max_length=200)


class FindCommand(Body):
    command_id: str = Field(max_length=100)


class HeldNode(Body):
    """`changed`: whether the operator's hold is another one than before. `command_id`: "" without an agent.

    `held`: why the node is not sold now, "" if nothing holds it.
    """

    host: str
    node_id: str
    changed: bool
    command_id: str
    held: str


class HeldNodes(Body):
    nodes: tuple[HeldNode, ...]


class CommandFate(Body):
    """`result`: "" while the agent has not answered. Times: seconds since the epoch."""

    command_id: str
    node_id: str
    kind: CommandKind
    issued_at: int
    deadline: int
    result: CommandResult | Literal[""]
    output: str


def _drain(asked: DrainNodes, context: Context) -> HeldNodes:
    cluster = the_cluster(asked.cluster, context)
    check_known(asked.hosts, cluster, context)
    before = _operators(cluster, context)
    for host in asked.hosts:
        since = before[host].since if host in before else context.now
        nodes.hold(context.ledger, NodeHold(cluster.id, host, HoldSource.OPERATOR, since, asked.reason))
    after = _operators(cluster, context)
    changed = frozenset(host for host in asked.hosts if after[host] != before.get(host))
    return _commanded(cluster, asked, CommandKind.DRAIN, changed, context)


def _resume(asked: ResumeNodes, context: Context) -> HeldNodes:
    cluster = the_cluster(asked.cluster, context)
    changed = frozenset(
        host for host in asked.hosts if nodes.release(context.ledger, cluster.id, host, HoldSource.OPERATOR)
    )
    check_known(tuple(host for host in asked.hosts if host not in changed), cluster, context)
    return _commanded(cluster, asked, CommandKind.RESUME, changed, context)


def _commanded(
    cluster: ClusterConfig,
    asked: DrainNodes | ResumeNodes,
    kind: CommandKind,
    changed: frozenset[str],
    context: Context,
) -> HeldNodes:
    """Sends the command to the agents of the hosts, and returns what holds the hosts now."""
    agents, held = _agents(cluster, context), nodes.holds(context.ledger, cluster.id)
    found = []
    for host in dict.fromkeys(asked.hosts):
        sent = _send(cluster, host, kind, asked.reason, context) if host in agents else None
        why = "; ".join(f"{each.source}: {each.reason}" for each in held if each.host == host)
        made = HeldNode(
            host=host,
            node_id=first_id(cluster.name, host),
            changed=host in changed,
            command_id=sent.command_id if sent else "",
            held=why,
        )
        found.append(made)
    return HeldNodes(nodes=tuple(found))


def _command(asked: SendCommand, context: Context) -> CommandFate:
    cluster = the_cluster(asked.cluster, context)
    if asked.host not in _agents(cluster, context):
        raise Refused(f"{asked.host} has no agent that executes commands; see `provd node list`")
    mine = nodes.commands(context.ledger, first_id(cluster.name, asked.host))
    if len([each for each in mine if _is_open(each, context.now)]) >= MAX_OPEN:
        raise Refused(
            f"{asked.host} has {MAX_OPEN} commands that its agent has not answered: try again later"
        )
    return _fate(_send(cluster, asked.host, asked.kind, asked.reason, context))


def _send(
    cluster: ClusterConfig, host: str, kind: CommandKind, reason: str, context: Context
) -> IssuedCommand:
    """Signs a command and stores it, for the collector to hand out.

    Of drain and resume only the newest is handed out: what waits of them is replaced.
    """
    ledger, node, issued_at = context.ledger, first_id(cluster.name, host), int(context.now)
    deadline = issued_at + DEADLINE_SECONDS[kind]
    sequence = nodes.next_sequence(ledger, node, context.now)
    made = NodeCommand(
        token_hex(8), cluster.id, node, sequence, kind, issued_at, deadline, {"reason": reason}
    )
    signed = command.sign(made, cluster_key(cluster.id, context))
    issued = IssuedCommand(
        made.command_id,
        node,
        cluster.id,
        sequence,
        kind,
        signed,
        issued_at,
        deadline,
        context.operator,
        reason,
    )
    if kind in _STATES:
        for older in nodes.commands(ledger, node):
            if older.kind in _STATES and older.result is None:
                replaced = f"replaced by {kind} {made.command_id}"
                nodes.finish_command(ledger, older.command_id, CommandResult.EXPIRED, replaced, context.now)
    nodes.add_command(ledger, issued)
    return issued


def _find(asked: FindCommand, context: Context) -> CommandFate:
    found = nodes.command(context.ledger, asked.command_id)
    if found is None:
        raise Refused(f"no command {asked.command_id} in the ledger")
    return _fate(found)


def _fate(issued: IssuedCommand) -> CommandFate:
    return CommandFate(
        command_id=issued.command_id,
        node_id=issued.node_id,
        kind=issued.kind,
        issued_at=issued.issued_at,
        deadline=issued.deadline,
        result=issued.result or "",
        output=issued.output,
    )


def _is_open(issued: IssuedCommand, now: float) -> bool:
    return issued.result is None and issued.deadline > now


def _agents(cluster: ClusterConfig, context: Context) -> frozenset[str]:
    """Returns the hosts with agents that execute commands: those of the published form do not."""
    allowed = nodes.allowed(context.ledger, cluster.id).values()
    return frozenset(each.hostname for each in allowed if not (each.revoked_at or each.agent_key))


def _operators(cluster: ClusterConfig, context: Context) -> dict[str, NodeHold]:
    held = nodes.holds(context.ledger, cluster.id)
    return {each.host: each for each in held if each.source is HoldSource.OPERATOR}


def _deeds(action: Action, reason: str, answer: HeldNodes) -> list[Deed]:
    return [
        Deed(action, object=node.node_id, detail=reason)
        for node in answer.nodes
        if node.changed or node.command_id
    ]


_WAKES = frozenset({"heartbeat", "catalogue"})
DRAIN = Operation(
    "nodes/drain",
    DrainNodes,
    HeldNodes,
    _drain,
    lambda asked, answer: _deeds(Action.NODE_DRAINED, asked.reason, answer),
    _WAKES,
)
RESUME = Operation(
    "nodes/resume",
    ResumeNodes,
    HeldNodes,
    _resume,
    lambda asked, answer: _deeds(Action.NODE_RESUMED, asked.reason, answer),
    _WAKES,
)
COMMAND = Operation(
    "nodes/command",
    SendCommand,
    CommandFate,
    _command,
    lambda asked, answer: [
        Deed(Action.NODE_COMMANDED, object=answer.node_id, detail=f"{asked.kind} {answer.command_id}")
    ],
)
FIND = Operation("nodes/fate", FindCommand, CommandFate, _find)
