"""Sends a message with the key of the daemon on this machine, through the daemon's outbox."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from provider_daemon.chain import messages
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.grpc_errors import NoIndex
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.chain.tx import SignedTx
from provider_daemon.client import created_ids, transaction, tx_json, unindexed
from provider_daemon.client.control import Control
from provider_daemon.client.transaction import NotIncluded, TxTerms
from provider_daemon.client.unindexed import FateUnknown
from provider_daemon.control.messages import (
    FIND,
    SEND,
    WITHDRAW,
    FindMessage,
    FoundMessage,
    SendMessage,
    WithdrawMessage,
)
from provider_daemon.errors import ConfigError, Refused, Transient

POLL_SECONDS = 0.3
# Long enough for a transaction that is not included by its timeout height, and for the next one.
PATIENCE_SECONDS = 180.0
INDEX_SECONDS = 20.0  # a node's index of transactions may be behind its blocks


def check_terms(terms: TxTerms) -> None:
    """Raises ConfigError for terms that only a transaction of its own can have."""
    given = {
        "--gas": terms.gas,
        "--fees": terms.fee,
        "--gas-prices": terms.price,
        "--timeout-height": terms.timeout_height,
    }
    if names := ", ".join(name for name, value in given.items() if value):
        raise ConfigError(
            [
                f"{names}: the daemon on this machine sends this message, with its own gas, fee and timeout "
                "height: omit the option, or add --force to sign beside the daemon"
            ]
        )


async def store(control: Control, message: Message, note: str) -> int:
    """Stores the message in the daemon's outbox and returns its id. Raises Refused or Transient."""
    body = messages.pack(message).SerializeToString(deterministic=True)
    asked = SendMessage(body=base64.b64encode(body).decode(), note=note)
    return (await asyncio.to_thread(control.ask, SEND, asked)).message_id


async def sent(
    control: Control, message_id: int, chain: GrpcChain, message: Message, now: Callable[[], float]
) -> tuple[dict[str, Any], list[str]]:
    """Waits until the message is in a block. Returns the document for machines and the lines for people.

    Raises Refused if the chain refuses the message, NotIncluded if it was withdrawn because it could not be
    sent in time, and FateUnknown if it is still under way then.
    """
    found = await _in_block(control, message_id, now)
    included = await _transaction(chain, found, now)
    if included is None:
        lines = [f"tx: {found.tx_hash}", f"height: {found.height}"]
        return {"txhash": found.tx_hash, "height": str(found.height), "ids": {}}, lines
    ids = await created_ids.ids(chain, message, included, found.position)
    answer = included.tx_response
    return tx_json.response(included, ids), [
        *(f"{name}: {value}" for name, value in ids.items()),
        f"tx: {answer.txhash}",
        f"height: {answer.height}",
        f"gas: {answer.gas_used} used of {answer.gas_wanted}, by all messages of the transaction",
        f"fee: {found.fee}{transaction.FEE_DENOM}, for all messages of the transaction",
    ]


async def _in_block(control: Control, message_id: int, now: Callable[[], float]) -> FoundMessage:
    began = now()
    while now() - began < PATIENCE_SECONDS:
        try:
            found = await asyncio.to_thread(control.ask, FIND, FindMessage(message_id=message_id))
        except Transient:  # the daemon restarts: the message is in its ledger
            found = None
        if found is not None and found.status == "confirmed":
            return found
        if found is not None and found.status == "dropped":
            raise Refused(f"the chain refused the message (no effect): {found.note}")
        await asyncio.sleep(POLL_SECONDS)
    return await _give_up(control, message_id)


async def _give_up(control: Control, message_id: int) -> FoundMessage:
    what = f"message {message_id} is not in a block after {PATIENCE_SECONDS:.0f} s"
    try:
        gone = await asyncio.to_thread(control.ask, WITHDRAW, WithdrawMessage(message_id=message_id))
    except Transient as error:
        raise FateUnknown(f"{what}, and the daemon does not answer ({error}): it sends it later") from error
    if gone.withdrawn:
        raise NotIncluded(f"{what}: it was withdrawn and had no effect. `provd status` shows what is wrong")
    raise FateUnknown(f"{what}: the daemon continues with it. `provd status` shows what is wrong")


async def _transaction(
    chain: GrpcChain, found: FoundMessage, now: Callable[[], float]
) -> GetTxResponse | None:
    """Returns the transaction; None if the node that is asked does not find it, although another did."""
    began, signed = now(), SignedTx(found.tx_hash, base64.b64decode(found.tx_bytes))
    while now() - began < INDEX_SECONDS:
        try:
            included = await _asked(chain, signed)
        except FateUnknown:  # the daemon knows that it is in a block, and this node keeps no index
            return None
        except Transient:
            included = None
        if included is not None:
            return included
        await asyncio.sleep(POLL_SECONDS)
    return None


async def _asked(chain: GrpcChain, signed: SignedTx) -> GetTxResponse | None:
    try:
        return await chain.txs.get(signed.tx_hash)
    except NoIndex:
        return await unindexed.in_block(chain, signed)
