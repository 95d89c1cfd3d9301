"""The checks before any message runs, in the chain's order (FACTS.md, 'Order of checks').

Rate limit, basic validation, minimum gas price, timeout height, memo, fee deduction, signature and sequence, sequence increment. Nothing
here is undone by a message that fails later: the fee stays paid and the sequence used.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from google.protobuf.message import DecodeError, Message

from provider_daemon.chain import bech32, messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import tx_pb2
from provider_daemon.chain.sign import verify
from provider_daemon.devnet import bank, failures
from provider_daemon.devnet.context import Context
from provider_daemon.devnet.failures import ChainError, sdk
from provider_daemon.devnet.validate import validate
from provider_daemon.errors import Unreadable

MAX_TX_BYTES = 1_048_576
MAX_MEMO = 256
TXS_AN_ACCOUNT = 10  # in a block and the one before it together


@dataclass(frozen=True, slots=True)
class ParsedTx:
    """`signer` is the one account that signs; `fee` is in the fee denom."""

    raw: tx_pb2.TxRaw
    tx: tx_pb2.Tx
    messages: tuple[Message, ...]
    signer: str
    public_key: bytes
    fee: int
    size: int
    tx_hash: str

    @property
    def gas_limit(self) -> int:
        return self.tx.auth_info.fee.gas_limit

    @property
    def sequence(self) -> int:
        return self.tx.auth_info.signer_infos[0].sequence


def parse(tx_bytes: bytes, fee_denom: str) -> ParsedTx:
    """Raises ChainError (2) for what is no transaction, (21) for one that is too large."""
    if len(tx_bytes) > MAX_TX_BYTES:
        raise _too_large()
    try:
        raw, tx = tx_pb2.TxRaw.FromString(tx_bytes), transactions.decode(tx_bytes)
        found = tuple(messages.unpack(envelope) for envelope in tx.body.messages)
        infos = tx.auth_info.signer_infos
        public_key = PubKey.FromString(infos[0].public_key.value).key if infos else b""
    except (DecodeError, Unreadable) as error:
        raise sdk(failures.TX_DECODE, str(error)) from error
    if not found or len(infos) != 1:
        raise sdk(failures.INVALID_REQUEST, "must contain at least one message and exactly one signer")
    fee = sum(int(coin.amount) for coin in tx.auth_info.fee.amount if coin.denom == fee_denom)
    return ParsedTx(raw, tx, found, messages.signer_of(found[0]), public_key, fee, len(tx_bytes), transactions.tx_hash(tx_bytes))


def _too_large() -> ChainError:
    return sdk(failures.TX_TOO_LARGE)


def check(ctx: Context, tx: ParsedTx, *, simulate: bool, recent: Mapping[str, int]) -> None:
    """Raises ChainError and leaves the context to be dropped, or deducts the fee and uses the sequence."""
    if not simulate and recent.get(tx.signer, 0) >= TXS_AN_ACCOUNT:
        raise ChainError((1, "rate limit exceeded"), f"account {tx.signer}: {TXS_AN_ACCOUNT} transactions per block", codespace="ratelimit")
    for message in tx.messages:
        validate(message)
    if not simulate:
        _fee_is_enough(ctx, tx)
    _limits(ctx, tx)
    _deduct(ctx, tx)
    _signature(ctx, tx, simulate)


def _fee_is_enough(ctx: Context, tx: ParsedTx) -> None:
    required = math.ceil(Decimal(ctx.rules.min_gas_price) * tx.gas_limit)
    if tx.fee < required:
        price = f"{ctx.rules.min_gas_price}{ctx.rules.fee_denom}"
        detail = f"insufficient fee: min gas prices {price}, required {required}{ctx.rules.fee_denom}, got {tx.fee}{ctx.rules.fee_denom}"
        raise ChainError((1, "insufficient fee"), detail, codespace="undefined")


def _limits(ctx: Context, tx: ParsedTx) -> None:
    body = tx.tx.body
    if body.unordered:
        raise sdk(failures.UNORDERED)
    if body.timeout_height and ctx.height > body.timeout_height:
        raise sdk(failures.TIMEOUT_HEIGHT, f"block height: {ctx.height}, timeout height: {body.timeout_height}")
    if len(body.memo) > MAX_MEMO:
        raise sdk(failures.MEMO_TOO_LARGE, f"maximum number of characters is {MAX_MEMO} but received {len(body.memo)} characters")
    if 0 < ctx.rules.max_gas < tx.gas_limit:
        raise sdk(failures.GAS_OVER_BLOCK, f"tx gas limit {tx.gas_limit} exceeds block max gas {ctx.rules.max_gas}")


def _deduct(ctx: Context, tx: ParsedTx) -> None:
    if bank.account(ctx.state, tx.signer) is None:
        raise sdk(failures.UNKNOWN_ADDRESS, f"account {tx.signer} does not exist")
    if tx.fee:
        bank.move(ctx.state, tx.signer, bank.FEE_COLLECTOR, ctx.rules.fee_denom, tx.fee)


def _signature(ctx: Context, tx: ParsedTx, simulate: bool) -> None:
    account: dict[str, Any] = bank.account(ctx.state, tx.signer) or {}
    if any(messages.signer_of(message) != tx.signer for message in tx.messages) or bech32.address_of(tx.public_key) != tx.signer:
        raise sdk(failures.SDK_UNAUTHORIZED, "pubKey does not match signer address")
    if tx.sequence != account["sequence"]:
        raise sdk(failures.WRONG_SEQUENCE, f"account sequence mismatch, expected {account['sequence']}, got {tx.sequence}")
    if not simulate and not _signed(ctx, tx, account["number"]):
        where = f"account number ({account['number']}), sequence ({tx.sequence}) and chain-id ({ctx.rules.chain_id})"
        raise sdk(failures.SDK_UNAUTHORIZED, f"signature verification failed; please verify {where}")
    bank.save_account(ctx.state, tx.signer, {**account, "sequence": tx.sequence + 1, "pubkey": tx.public_key.hex()})


def _signed(ctx: Context, tx: ParsedTx, account_number: int) -> bool:
    mode = tx.tx.auth_info.signer_infos[0].mode_info.single.mode
    signed = transactions.sign_bytes(tx.raw.body_bytes, tx.raw.auth_info_bytes, ctx.rules.chain_id, account_number)
    signatures = tx.raw.signatures
    return mode == transactions.SIGN_MODE_DIRECT and len(signatures) == 1 and verify(tx.public_key, hashlib.sha256(signed).digest(), signatures[0])
