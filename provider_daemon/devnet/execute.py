"""Execution of a transaction: the ante checks, then all messages or none."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from provider_daemon.chain.messages import pack, signer_of
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend, MsgSendResponse
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxMsgData
from provider_daemon.chain.proto.virtengine.encryption.v1 import tx_pb2 as encryption
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.devnet import (
    ante,
    bank,
    clusters,
    disputes,
    failures,
    gas,
    jobs,
    nodes,
    recipient_keys,
)
from provider_daemon.devnet.context import Context, Event
from provider_daemon.devnet.failures import ChainError, sdk
from provider_daemon.devnet.parse import ParsedTx


@dataclass(slots=True)
class Result:
    """The result that GetTx returns. `events` contains only what the SDK emits for the outcome."""

    code: int = 0
    codespace: str = ""
    log: str = ""
    gas_used: int = 0
    data: bytes = b""
    events: list[Event] = field(default_factory=list)


def deliver(ctx: Context, tx: ParsedTx, *, simulate: bool = False) -> Result:
    """Executes the transaction on the context.

    Fee and sequence are kept even if it fails; all other changes of a failed transaction are dropped.
    """
    checks = ctx.branch()
    try:
        used = ante.check(checks, tx, simulate=simulate, recent={})
    except ChainError as error:
        # included with this code: gas 0, no fee, sequence unchanged
        return Result(error.code, error.codespace, str(error))
    checks.state.commit()
    result = Result(gas_used=used, events=[("tx", {"acc_seq": f"{tx.signer}/{tx.sequence}"})])
    _run(ctx, tx, result, simulate)
    return result


def _run(ctx: Context, tx: ParsedTx, result: Result, simulate: bool) -> None:
    work, answers = ctx.branch(), TxMsgData()
    try:
        for index, message in enumerate(tx.messages):
            result.gas_used += gas.of_message(work, message)
            if not simulate:
                ante.enough_gas(tx, result.gas_used, "WriteFlat")
            answer = _one(work, message, index)
            result.gas_used += gas.of_writes(work, message, answer)
            if not simulate:
                ante.enough_gas(tx, result.gas_used, "WriteFlat")
            answers.msg_responses.append(_packed(message, answer))
    except ChainError as error:
        result.code, result.codespace, result.log = error.code, error.codespace, str(error)
        return
    except Exception as error:  # the SDK recovers a panic too: one transaction fails, the chain continues
        panic = sdk(failures.PANIC, f"recovered: {error!r}")
        result.code, result.codespace, result.log = panic.code, panic.codespace, str(panic)
        return
    work.state.commit()
    result.events += work.events
    result.data = answers.SerializeToString()


def _one(work: Context, message: Message, index: int) -> Message | None:
    """Executes one message and returns its response.

    Raises ChainError with the text that names the message.
    """
    try:
        answer = handle(work, message)
    except ChainError as error:
        error.args = (f"failed to execute message; message index: {index}: {error}",)
        raise
    work.events.append(_action(message, index))
    return answer


def _action(message: Message, index: int) -> Event:
    module = (
        "hpc"
        if message.DESCRIPTOR.full_name.startswith("virtengine.hpc")
        else message.DESCRIPTOR.full_name.split(".")[1]
    )
    attributes = {
        "action": f"/{message.DESCRIPTOR.full_name}",
        "sender": signer_of(message),
        "module": module,
        "msg_index": str(index),
    }
    return ("message", attributes)


def handle(ctx: Context, message: Message) -> Message | None:
    """Returns the message's response, if it has one.

    Raises ChainError. A message that the devnet does not implement (authz) is refused as unknown.
    """
    handler = HANDLERS.get(type(message))
    if handler is None:
        raise sdk(failures.UNKNOWN_REQUEST, f"no message handler found for /{message.DESCRIPTOR.full_name}")
    return handler(ctx, message)


def _packed(message: Message, answer: Message | None) -> AnyMessage:
    return (
        pack(answer)
        if answer is not None
        else AnyMessage(type_url=f"/{message.DESCRIPTOR.full_name}Response")
    )


def _send(ctx: Context, message: MsgSend) -> MsgSendResponse:
    for coin in message.amount:
        bank.move(ctx.state, message.from_address, message.to_address, coin.denom, int(coin.amount))
    amount = ",".join(f"{coin.amount}{coin.denom}" for coin in message.amount)
    ctx.events += [
        ("coin_spent", {"spender": message.from_address, "amount": amount}),
        ("coin_received", {"receiver": message.to_address, "amount": amount}),
        (
            "transfer",
            {"recipient": message.to_address, "sender": message.from_address, "amount": amount},
        ),
    ]
    return MsgSendResponse()


HANDLERS: dict[type[Message], Callable[[Context, Any], Message | None]] = {
    tx_pb2.MsgRegisterCluster: clusters.register_cluster,
    tx_pb2.MsgUpdateCluster: clusters.update_cluster,
    tx_pb2.MsgDeregisterCluster: clusters.deregister_cluster,
    tx_pb2.MsgCreateOffering: clusters.create_offering,
    tx_pb2.MsgUpdateOffering: clusters.update_offering,
    tx_pb2.MsgSubmitJob: jobs.submit_job,
    tx_pb2.MsgCancelJob: jobs.cancel_job,
    tx_pb2.MsgReportJobStatus: jobs.report_job_status,
    tx_pb2.MsgUpdateNodeMetadata: nodes.update_node_metadata,
    tx_pb2.MsgFlagDispute: disputes.flag_dispute,
    tx_pb2.MsgResolveDispute: disputes.resolve_dispute,
    tx_pb2.MsgUpdateParams: disputes.update_params,
    encryption.MsgRegisterRecipientKey: recipient_keys.register,
    encryption.MsgRotateKey: recipient_keys.rotate,
    encryption.MsgRevokeRecipientKey: recipient_keys.revoke,
    encryption.MsgUpdateKeyLabel: recipient_keys.update_label,
    MsgSend: _send,
}
