"""The ids that a transaction created, from its response or, for disputes, from the stored record."""

from typing import Any

from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from provider_daemon.chain.ask import request
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxMsgData
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.errors import ProvdError, Unreadable

_NAMES = ("_id", "key_fingerprint")  # how the names of a message's or response's ids end


async def ids(chain: GrpcChain, message: Message, found: GetTxResponse, position: int = 0) -> dict[str, str]:
    """Returns created ids, such as {"job_id": "JOB-1", "escrow_id": ...}; empty for a failed transaction.

    `position`: the message's place in the transaction. A message that creates nothing has its own ids.
    """
    if found.tx_response.code:
        return {}
    named = _ids(message)
    if answer := _answer(message, found.tx_response.data, position):
        named = _ids(answer) or named
    if isinstance(message, tx_pb2.MsgFlagDispute):
        stored = await _stored_dispute(chain, message, found.tx_response.height)
        if stored and stored != named["dispute_id"]:
            named = {"dispute_id": stored, "answered_dispute_id": named["dispute_id"]}
    return named


def _ids(message: Message) -> dict[str, str]:
    return {
        field.name: value
        for field, value in message.ListFields()
        if field.name.endswith(_NAMES) and isinstance(value, str)
    }


def _answer(message: Message, data: str, position: int) -> Message | None:
    """Decodes the message's response from the transaction's data; raises Unreadable if that fails."""
    described: Any = message.DESCRIPTOR
    kind = GetMessageClass(described.file.message_types_by_name[f"{described.name}Response"])
    try:
        answers = TxMsgData.FromString(bytes.fromhex(data)).msg_responses
        return kind.FromString(answers[position].value) if position < len(answers) else None
    except (ValueError, DecodeError) as error:
        raise Unreadable(f"unreadable result of the transaction: {error}") from error


async def _stored_dispute(chain: GrpcChain, message: tx_pb2.MsgFlagDispute, height: int) -> str:
    """Returns the stored dispute id, which can be resolved, unlike the DSP-n in the response; "" if unknown.

    See docs/protocol.md, 'Keys of the store'.
    """
    try:
        found: Any = (
            await chain.ask("Disputes", request("Disputes", {"pagination": {"limit": 1_000_000}}))
        ).message
    except ProvdError:
        return ""
    wanted = (message.job_id, message.disputer_address, height)
    return next(
        (d.dispute_id for d in found.disputes if (d.job_id, d.disputer_address, d.block_height) == wanted), ""
    )
