"""The checks before any message runs, in the chain's order (docs/protocol.md, 'Order of checks').

Rate limit, basic validation, minimum gas price, timeout height, memo, size gas, fee deduction, signature and
sequence, sequence increment. A message that fails later undoes none of this: the fee stays paid and the
sequence used.
"""

import hashlib
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from provider_daemon.chain import bech32, codec, keyspace
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.sign import verify
from provider_daemon.devnet import bank, failures, gas
from provider_daemon.devnet.context import Context
from provider_daemon.devnet.failures import ChainError, sdk
from provider_daemon.devnet.parse import ParsedTx
from provider_daemon.devnet.validate import validate
from provider_daemon.result_codes import ONLY_ERROR, RATE_LIMIT, UNDEFINED

MAX_MEMO = 256  # bytes; the chain's error text calls them characters
TXS_AN_ACCOUNT = 10  # in one block and the block before it together


def check(ctx: Context, tx: ParsedTx, *, simulate: bool, recent: Mapping[str, int]) -> int:
    """Deducts the fee, uses the sequence, and returns the gas used so far.

    Raises ChainError; the caller then drops the context. `recent` is the number of transactions of each
    account in this block and the last one. A simulation needs no signature and no fee.
    """
    if recent.get(tx.signer, 0) >= TXS_AN_ACCOUNT:
        text = f"rate limit exceeded for account {tx.signer}: {TXS_AN_ACCOUNT} transactions per block"
        raise ChainError((ONLY_ERROR, text), codespace=RATE_LIMIT)
    for message in tx.messages:
        validate(message)
    if not simulate:
        _fee_is_enough(ctx, tx)
    _limits(ctx, tx)
    used = gas.of_size(len(tx.tx_bytes), simulate=simulate)
    if not simulate:
        enough_gas(tx, used, "txSize")
    _deduct(ctx, tx)
    _signature(ctx, tx, simulate)
    used += gas.of_checks(tx.fee)
    if not simulate:
        enough_gas(tx, used, "ante verify: secp256k1")
    return used


def enough_gas(tx: ParsedTx, used: int, location: str) -> None:
    """Raises ChainError (11) if the gas limit is exceeded. The log names no message."""
    if used > tx.gas_limit:
        raise sdk(
            failures.OUT_OF_GAS,
            f"out of gas in location: {location}; gasWanted: {tx.gas_limit}, gasUsed: {used}",
        )


def gas_price(ctx: Context) -> Decimal:
    """Returns the current gas price from the gaspricing store."""
    record = codec.loads(ctx.state.get(keyspace.GAS_PRICING_STORE, keyspace.GAS_PRICE))
    return next(
        Decimal(coin["amount"])
        for coin in record["current_min_gas_prices"]
        if coin["denom"] == ctx.rules.fee_denom
    )


def _fee_is_enough(ctx: Context, tx: ParsedTx) -> None:
    """Checks the fee. The chain's error has no registered code: codespace undefined, code 1."""
    price, denom = gas_price(ctx), ctx.rules.fee_denom
    required = math.ceil(price * tx.gas_limit)
    if tx.fee < required:
        text = (
            f"insufficient fee: min gas prices {price}{denom}, required {required}{denom}, got "
            f"{tx.fee}{denom}"
        )
        raise ChainError((ONLY_ERROR, text), codespace=UNDEFINED)


def _limits(ctx: Context, tx: ParsedTx) -> None:
    body = tx.tx.body
    if 0 < ctx.rules.max_gas < tx.gas_limit:
        raise sdk(
            failures.GAS_OVER_BLOCK, f"tx gas limit {tx.gas_limit} exceeds block max gas {ctx.rules.max_gas}"
        )
    if body.unordered:
        raise sdk(failures.UNORDERED)
    if body.timeout_height and ctx.height > body.timeout_height:
        raise sdk(
            failures.TIMEOUT_HEIGHT, f"block height: {ctx.height}, timeout height: {body.timeout_height}"
        )
    if (size := len(body.memo.encode())) > MAX_MEMO:
        raise sdk(
            failures.MEMO_TOO_LARGE,
            f"maximum number of characters is {MAX_MEMO} but received {size} characters",
        )


def _deduct(ctx: Context, tx: ParsedTx) -> None:
    if bank.account(ctx.state, tx.signer) is None:
        # the chain puts the raw bytes of the address here
        payer = bech32.decode(tx.signer).decode("utf-8", "surrogateescape")
        raise sdk(failures.UNKNOWN_ADDRESS, f"fee payer address: {payer} does not exist")
    if tx.fee:
        bank.move(ctx.state, tx.signer, bank.FEE_COLLECTOR, ctx.rules.fee_denom, tx.fee)


def _signature(ctx: Context, tx: ParsedTx, simulate: bool) -> None:
    account: dict[str, Any] = bank.account(ctx.state, tx.signer) or {}
    public_key = tx.public_key or bytes.fromhex(account["pubkey"])
    if not public_key and not simulate:
        raise sdk(failures.INVALID_PUBKEY, "pubkey on account is not set")
    if public_key and not _belongs(public_key, tx.signer):
        raise sdk(
            failures.INVALID_PUBKEY, f"pubKey does not match signer address {tx.signer} with signer index: 0"
        )
    if tx.sequence != account["sequence"]:
        raise sdk(
            failures.WRONG_SEQUENCE,
            f"account sequence mismatch, expected {account['sequence']}, got {tx.sequence}",
        )
    if not simulate and not _signed(ctx, tx, public_key, account["number"]):
        where = (
            f"account number ({account['number']}), sequence ({tx.sequence}) and chain-id "
            f"({ctx.rules.chain_id})"
        )
        raise sdk(failures.SDK_UNAUTHORIZED, f"signature verification failed; please verify {where}")
    bank.save_account(
        ctx.state, tx.signer, {**account, "sequence": tx.sequence + 1, "pubkey": public_key.hex()}
    )


def _belongs(public_key: bytes, address: str) -> bool:
    return len(public_key) == 33 and bech32.address_of(public_key) == address


def _signed(ctx: Context, tx: ParsedTx, public_key: bytes, account_number: int) -> bool:
    mode = tx.tx.auth_info.signer_infos[0].mode_info.single.mode
    signed = transactions.sign_bytes(
        tx.raw.body_bytes, tx.raw.auth_info_bytes, ctx.rules.chain_id, account_number
    )
    return mode == transactions.SIGN_MODE_DIRECT and verify(
        public_key, hashlib.sha256(signed).digest(), tx.raw.signatures[0]
    )
