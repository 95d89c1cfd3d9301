"""Transactions: SIGN_MODE_DIRECT over the exact bytes that are sent (docs/protocol.md, 'Interface')."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError

from provider_daemon.chain.keys import Signer
from provider_daemon.chain.messages import pack
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import tx_pb2
from provider_daemon.errors import Unreadable

SIGN_MODE_DIRECT = tx_pb2.SIGN_MODE_DIRECT
_FAILED_MESSAGE = re.compile(r"message index: (\d{1,9})\b", re.ASCII)
_BLOCK_GAS = re.compile(r"exceeds block max gas (\d+)")


@dataclass(frozen=True, slots=True)
class SignedTx:
    """A signed transaction.

    `tx_hash` is upper-case hex, as GetTx accepts it. Always send `tx_bytes` unchanged.
    """

    tx_hash: str
    tx_bytes: bytes


def build(
    messages: Sequence[Any],
    *,
    signer: Signer,
    chain_id: str,
    account_number: int,
    sequence: int,
    gas_limit: int,
    fee: int,
    fee_denom: str,
    timeout_height: int,
    memo: str = "",
) -> SignedTx:
    body = _body(messages, timeout_height, memo)
    auth_info = _auth_info(signer.public_key, sequence, gas_limit, fee, fee_denom)
    signature = signer.sign(hashlib.sha256(sign_bytes(body, auth_info, chain_id, account_number)).digest())
    tx_bytes = tx_pb2.TxRaw(
        body_bytes=body, auth_info_bytes=auth_info, signatures=[signature]
    ).SerializeToString(deterministic=True)
    return SignedTx(tx_hash(tx_bytes), tx_bytes)


def for_simulation(
    messages: Sequence[Any],
    *,
    public_key: bytes,
    sequence: int,
    gas_limit: int,
    fee: int,
    fee_denom: str,
    timeout_height: int,
    memo: str = "",
) -> bytes:
    """Returns the transaction with the real fee and one empty signature.

    Without the fee a simulation returns too little gas (docs/protocol.md, 'Gas').
    """
    body = _body(messages, timeout_height, memo)
    auth_info = _auth_info(public_key, sequence, gas_limit, fee, fee_denom)
    return tx_pb2.TxRaw(body_bytes=body, auth_info_bytes=auth_info, signatures=[b""]).SerializeToString(
        deterministic=True
    )


def sign_bytes(body: bytes, auth_info: bytes, chain_id: str, account_number: int) -> bytes:
    document = tx_pb2.SignDoc(
        body_bytes=body, auth_info_bytes=auth_info, chain_id=chain_id, account_number=account_number
    )
    return document.SerializeToString(deterministic=True)


def decode(tx_bytes: bytes) -> tx_pb2.Tx:
    """Raises Unreadable for bytes that are not a transaction."""
    try:
        return tx_pb2.Tx.FromString(tx_bytes)
    except DecodeError as error:
        raise Unreadable(f"a transaction cannot be read: {error}") from error


def tx_hash(tx_bytes: bytes) -> str:
    return hashlib.sha256(tx_bytes).hexdigest().upper()


def failed_message_index(log: str) -> int | None:
    """Returns the failing message in the chain's log, counted from 0; None if the log names none."""
    match = _FAILED_MESSAGE.search(log)
    return int(match[1]) if match else None


def block_gas(log: str) -> int | None:
    """Returns the chain's maximum gas per transaction, if its refusal (sdk 41) contains it."""
    match = _BLOCK_GAS.search(log)
    return int(match[1]) if match else None


def _body(messages: Sequence[Any], timeout_height: int, memo: str) -> bytes:
    return tx_pb2.TxBody(messages=messages, memo=memo, timeout_height=timeout_height).SerializeToString(
        deterministic=True
    )


def _auth_info(public_key: bytes, sequence: int, gas_limit: int, fee: int, fee_denom: str) -> bytes:
    info = tx_pb2.SignerInfo(
        public_key=pack(PubKey(key=public_key)),
        mode_info=tx_pb2.ModeInfo(single=tx_pb2.ModeInfo.Single(mode=SIGN_MODE_DIRECT)),
        sequence=sequence,
    )
    price = [Coin(denom=fee_denom, amount=str(fee))] if fee else []
    return tx_pb2.AuthInfo(
        signer_infos=[info], fee=tx_pb2.Fee(amount=price, gas_limit=gas_limit)
    ).SerializeToString(deterministic=True)
