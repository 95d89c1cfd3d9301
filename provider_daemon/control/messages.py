"""Messages of operators, sent by the daemon's outbox with its key."""

import base64
import binascii

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from pydantic import Field

from provider_daemon.audit_log.records import Action
from provider_daemon.chain import messages
from provider_daemon.control.operation import Body, Context, Deed, Operation
from provider_daemon.errors import Refused, Unreadable
from provider_daemon.ledger import operator_messages

MAX_BODY = 256 * 1024  # characters of base64; a transaction of more is over the chain's limit


class SendMessage(Body):
    """`body`: a serialized google.protobuf.Any in base64, without the signer's key. `note`: why."""

    body: str = Field(max_length=MAX_BODY)
    note: str = Field(default="", max_length=200)


class StoredMessage(Body):
    message_id: int
    name: str
    signer: str


class FindMessage(Body):
    message_id: int


class FoundMessage(Body):
    """As operator_messages.MessageFate, with `tx_bytes` in base64."""

    status: str
    note: str
    tx_hash: str
    tx_bytes: str
    height: int
    fee: int
    position: int


class WithdrawMessage(Body):
    message_id: int


class Withdrawn(Body):
    """`withdrawn`: whether no transaction held it, so that it is never sent."""

    withdrawn: bool


def _send(asked: SendMessage, context: Context) -> StoredMessage:
    try:
        envelope = Any.FromString(base64.b64decode(asked.body, validate=True))
        message = messages.unpack(envelope)
    except (binascii.Error, DecodeError) as error:
        raise Refused(f"the message cannot be read: {error}") from error
    except Unreadable as error:
        raise Refused(str(error)) from error
    signer, name = messages.signer_of(message), message.DESCRIPTOR.name
    if signer not in context.signers:
        raise Refused(f"the daemon has no key of {signer or 'the signer'}, who must sign {name}")
    body = envelope.SerializeToString(deterministic=True)
    return StoredMessage(
        message_id=operator_messages.add(context.ledger, signer, name, body, context.now),
        name=name,
        signer=signer,
    )


def _find(asked: FindMessage, context: Context) -> FoundMessage:
    found = operator_messages.fate(context.ledger, asked.message_id)
    if found is None:
        raise Refused(f"no message {asked.message_id} of an operator in the ledger")
    return FoundMessage(
        status=found.status,
        note=found.note,
        tx_hash=found.tx_hash,
        tx_bytes=base64.b64encode(found.tx_bytes).decode(),
        height=found.height,
        fee=found.fee,
        position=found.position,
    )


def _withdraw(asked: WithdrawMessage, context: Context) -> Withdrawn:
    dropped = operator_messages.withdraw(
        context.ledger, asked.message_id, f"withdrawn by {context.operator} before it was sent"
    )
    return Withdrawn(withdrawn=dropped)


SEND = Operation(
    "messages/send",
    SendMessage,
    StoredMessage,
    _send,
    lambda asked, answer: [Deed(Action.MESSAGE_SENT, object=answer.signer, detail=_detail(asked, answer))],
    frozenset({"outbox"}),
)
FIND = Operation("messages/find", FindMessage, FoundMessage, _find)
WITHDRAW = Operation(
    "messages/withdraw",
    WithdrawMessage,
    Withdrawn,
    _withdraw,
    lambda asked, answer: (
        [Deed(Action.MESSAGE_WITHDRAWN, object=str(asked.message_id))] if answer.withdrawn else []
    ),
)


def _detail(asked: SendMessage, answer: StoredMessage) -> str:
    return f"{answer.name} as message {answer.message_id}" + (f": {asked.note}" if asked.note else "")
