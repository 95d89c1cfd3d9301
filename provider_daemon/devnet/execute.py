"""One transaction: ante, then every message or none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from provider_daemon.chain.messages import pack, signer_of
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxMsgData
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.devnet import ante, bank, clusters, disputes, failures, gas, jobs, nodes
from provider_daemon.devnet.ante import ParsedTx
from provider_daemon.devnet.context import Context, Event
from provider_daemon.devnet.failures import ChainError, sdk


@dataclass(slots=True)
class Result:
    """What GetTx will say. `events` only hold what the SDK emits for the outcome."""

    code: int = 0
    codespace: str = ""
    log: str = ""
    gas_used: int = 0
    data: bytes = b""
    events: list[Event] = field(default_factory=list)


def deliver(ctx: Context, tx: ParsedTx, recent: Mapping[str, int], *, simulate: bool = False) -> Result:
    """Runs it on the context; whatever must stay (fee, sequence) stays, whatever failed is dropped."""
    checks = ctx.branch()
    try:
        ante.check(checks, tx, simulate=simulate, recent=recent)
    except ChainError as error:
        return Result(error.code, error.codespace, str(error))  # included with this code: gas 0, no fee, sequence unchanged
    checks.state.commit()
    result = Result(gas_used=gas.of_tx(tx.raw.SerializeToString(), tx.fee), events=[("tx", {"acc_seq": f"{tx.signer}/{tx.sequence}"})])
    _run(ctx, tx, result, simulate)
    return result


def _run(ctx: Context, tx: ParsedTx, result: Result, simulate: bool) -> None:
    work, answers = ctx.branch(), TxMsgData()
    for index, message in enumerate(tx.messages):
        result.gas_used += gas.of_message(work, message)
        try:
            if not simulate and result.gas_used > tx.gas_limit:
                raise sdk(failures.OUT_OF_GAS, f"out of gas in location: WriteFlat; gasWanted: {tx.gas_limit}, gasUsed: {result.gas_used}")
            answers.msg_responses.append(pack(handle(work, message)))
        except ChainError as error:
            result.code, result.codespace = error.code, error.codespace
            result.log = f"failed to execute message; message index: {index}: {error}"
            return
        work.events.append(_action(message, index))
    work.state.commit()
    result.events += work.events
    result.data = answers.SerializeToString()


def _action(message: Message, index: int) -> Event:
    module = "hpc" if message.DESCRIPTOR.full_name.startswith("virtengine.hpc") else message.DESCRIPTOR.full_name.split(".")[1]
    attributes = {"action": f"/{message.DESCRIPTOR.full_name}", "sender": signer_of(message), "module": module, "msg_index": str(index)}
    return ("message", attributes)


def handle(ctx: Context, message: Message) -> Message:
    """Raises ChainError; a message that the devnet does not carry out (authz) is refused as unknown."""
    handler = _HANDLERS.get(type(message))
    if handler is None:
        raise sdk(failures.INVALID_REQUEST, f"no handler for {message.DESCRIPTOR.full_name}")
    return handler(ctx, message)


def _send(ctx: Context, message: MsgSend) -> Message:
    for coin in message.amount:
        bank.move(ctx.state, message.from_address, message.to_address, coin.denom, int(coin.amount))
    return MsgSend()




_HANDLERS: dict[type[Message], Callable[[Context, Any], Message]] = {
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
    MsgSend: _send,
}
