"""Commands of the provider to one node agent, signed by its account key. Pure (docs/agent.md, 'Commands')."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from provider_daemon.chain.signed_documents import DocumentSigner, canonical, sign_document, verify_document
from provider_daemon.errors import Refused
from provider_daemon.nodes.command import CommandKind, SignedCommand

TYPE, VERSION = "provd-node-command", 1
MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class NodeCommand:
    """`sequence` grows with every command to the node. Times: seconds since the epoch."""

    command_id: str
    cluster_id: str
    node_id: str
    sequence: int
    kind: CommandKind
    issued_at: int
    deadline: int
    parameters: dict[str, str] = field(default_factory=dict)


def sign(command: NodeCommand, signer: DocumentSigner) -> SignedCommand:
    data = canonical({**asdict(command), "type": TYPE, "version": VERSION})
    return SignedCommand(data.decode(), sign_document(data, signer))


def verify(signed: SignedCommand, provider: str, public_key: bytes) -> NodeCommand:
    """Returns the command if `provider`, who owns the key, signed exactly it. Raises Refused otherwise.

    The caller checks node, sequence and deadline.
    """
    data = signed.document.encode()
    if not verify_document(data, signed.signature, provider, public_key):
        raise Refused("the command is not signed by the provider")
    try:
        return _read(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Refused("the provider signed something that is no command") from None


def _read(data: bytes) -> NodeCommand:
    fields: dict[str, Any] = json.loads(data)
    if (fields.pop("type"), fields.pop("version")) != (TYPE, VERSION) or len(data) > MAX_BYTES:
        raise ValueError("another document")
    kind = CommandKind(fields.pop("kind"))
    command = NodeCommand(kind=kind, **fields)
    texts = (command.command_id, command.cluster_id, command.node_id, *command.parameters.values())
    numbers = (command.sequence, command.issued_at, command.deadline)
    if not all(type(each) is str for each in texts) or not all(type(each) is int for each in numbers):
        raise ValueError("a field has the wrong type")
    return command
