"""Decides what an agent does with a command from the collector. Pure (docs/agent.md, 'Commands').

Only the provider's signature counts: the collector passes commands on, and can neither make nor change one.
"""

import json
from collections.abc import Collection

from provider_daemon.agent.state import Registered, State, result_of
from provider_daemon.errors import Refused
from provider_daemon.node_protocol.command import NodeCommand, verify
from provider_daemon.nodes.command import CommandKind, CommandResult, SignedCommand
from provider_daemon.nodes.report import Acknowledgement

MAX_ID = 128


def decide(
    signed: SignedCommand, state: State, registered: Registered, allowed: Collection[CommandKind], now: float
) -> NodeCommand | Acknowledgement | None:
    """Returns the command if it is to be executed, otherwise what became of it; None if it has no id.

    A command that was executed before gets the same acknowledgement again. `now`: seconds since the epoch.
    """
    try:
        public_key = bytes.fromhex(registered.provider_pubkey)
        command = verify(signed, registered.provider_address, public_key)
    except (Refused, ValueError) as error:
        return _invalid_document(signed, state, str(error))
    if known := result_of(state, command.command_id):
        return known
    if problem := _invalid(command, state, registered):
        return Acknowledgement(command.command_id, CommandResult.INVALID, problem)
    if command.deadline < now:
        late = f"the command's deadline passed {now - command.deadline:.0f} s ago by this node's clock"
        return Acknowledgement(command.command_id, CommandResult.EXPIRED, late)
    if command.kind not in allowed:
        missing = f"this node's agent.toml does not list {command.kind} in commands"
        return Acknowledgement(command.command_id, CommandResult.REFUSED, missing)
    return command


def _invalid(command: NodeCommand, state: State, registered: Registered) -> str:
    if (command.node_id, command.cluster_id) != (registered.node_id, registered.cluster_id):
        return f"the command is for node {command.node_id} of cluster {command.cluster_id}"
    if command.issued_at < registered.since:
        return "the command is older than this node's registration"
    if command.sequence <= state.command_sequence:
        return f"sequence {command.sequence} is not greater than that of an earlier command"
    return ""


def _invalid_document(signed: SignedCommand, state: State, problem: str) -> Acknowledgement | None:
    """The id that such a document claims says which command was not executed; an earlier result stays."""
    try:
        command_id = json.loads(signed.document)["command_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    usable = type(command_id) is str and command_id.isprintable() and 0 < len(command_id) <= MAX_ID
    if not usable or result_of(state, command_id):
        return None
    return Acknowledgement(command_id, CommandResult.INVALID, problem)
