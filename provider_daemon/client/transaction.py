"""One transaction of a command: priced, signed, sent once, and polled until its outcome is known.

It always has a timeout height, after which the chain can no longer include it, so that "not included" is a
final outcome.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from google.protobuf.message import Message

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.broadcast import INDEX_LAG
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.grpc_errors import NoIndex
from provider_daemon.chain.keys import Signer
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.chain.tx import SignedTx
from provider_daemon.client import unindexed
from provider_daemon.client.coins import Coin, Price
from provider_daemon.client.unindexed import FateUnknown
from provider_daemon.errors import ConfigError, ProvdError, Refused, Transient
from provider_daemon.result_codes import (
    ENCRYPTION,
    ONLY_ERROR,
    RATE_LIMIT,
    SDK,
    UNDEFINED,
    EncryptionCode,
    SdkCode,
    is_in_mempool,
)

FEE_DENOM = "uve"
GAS_ADJUSTMENT = 1.3
TIMEOUT_BLOCKS = 20  # about as many seconds
POLL_SECONDS = 0.2
SILENT_SECONDS = 60.0  # if the chain does not answer for this long, the outcome is reported as unknown
GAS_GUESS = 200_000  # for the fee in the simulation
MAX_MEMO = 256  # the chain's limit, in bytes


class NotIncluded(ProvdError):
    """The timeout height has passed without the transaction: it had no effect and cannot have one."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class TxTerms:
    """`gas` 0 means the simulated gas times `adjustment`; `timeout_height` 0 means TIMEOUT_BLOCKS from now.

    At most one of `fee` and `price` is set; the default is the chain's current price in uve.
    """

    gas: int = 0
    adjustment: float = GAS_ADJUSTMENT
    fee: Coin | None = None
    price: Price | None = None
    memo: str = ""
    timeout_height: int = 0

    def __post_init__(self) -> None:
        problems = []
        if self.fee and self.price:
            problems.append("--fees and --gas-prices cannot be combined")
        if len(self.memo.encode()) > MAX_MEMO:
            problems.append(f"--note: at most {MAX_MEMO} bytes")
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that will be signed, by the one signer of all messages."""

    wanted: tuple[Message, ...]
    account_number: int
    sequence: int
    gas_limit: int
    fee: Coin
    timeout_height: int
    memo: str


async def prepare(chain: GrpcChain, wanted: Sequence[Message], public_key: bytes, terms: TxTerms) -> Prepared:
    """Raises Refused if the simulation fails. Without a public key, nothing is simulated."""
    account = await chain.account(messages.signer_of(wanted[0]))
    head = await chain.head()
    timeout_height = terms.timeout_height or head.height + TIMEOUT_BLOCKS
    if timeout_height <= head.height:
        raise ConfigError(
            [f"--timeout-height {timeout_height} has passed: the chain is at height {head.height}"]
        )
    price = await _price(chain, terms)
    fee = _fee(terms, price, terms.gas)
    draft = Prepared(
        tuple(wanted), account.number, account.sequence, terms.gas, fee, timeout_height, terms.memo
    )
    if terms.gas:
        return draft
    gas = math.ceil(
        await _simulate(chain, draft, public_key, _fee(terms, price, GAS_GUESS)) * terms.adjustment
    )
    return replace(draft, gas_limit=gas, fee=_fee(terms, price, gas))


async def _price(chain: GrpcChain, terms: TxTerms) -> Price:
    if terms.price or terms.fee:
        return terms.price or Price(Decimal(0), FEE_DENOM)
    return Price(await chain.gas_price(FEE_DENOM), FEE_DENOM)


def _fee(terms: TxTerms, price: Price, gas: int) -> Coin:
    return terms.fee or Coin(math.ceil(gas * price.amount), price.denom)


async def _simulate(chain: GrpcChain, draft: Prepared, public_key: bytes, fee: Coin) -> int:
    unsigned = transactions.for_simulation(
        [messages.pack(message) for message in draft.wanted],
        public_key=public_key,
        sequence=draft.sequence,
        gas_limit=GAS_GUESS,
        fee=fee.amount,
        fee_denom=fee.denom,
        timeout_height=draft.timeout_height,
        memo=draft.memo,
    )
    try:
        return await chain.simulate(unsigned)
    except Refused as error:
        if "tx parse error" not in str(error):
            raise
        raise Refused(
            f"{error} ({_HINTS[SDK, SdkCode.TX_DECODE]})", code=SdkCode.TX_DECODE, codespace=SDK
        ) from error


def sign(prepared: Prepared, signer: Signer, chain_id: str) -> SignedTx:
    return transactions.build(
        [messages.pack(message) for message in prepared.wanted],
        signer=signer,
        chain_id=chain_id,
        account_number=prepared.account_number,
        sequence=prepared.sequence,
        gas_limit=prepared.gas_limit,
        fee=prepared.fee.amount,
        fee_denom=prepared.fee.denom,
        timeout_height=prepared.timeout_height,
        memo=prepared.memo,
    )


async def send(chain: GrpcChain, signed: SignedTx) -> None:
    """Raises Refused if the chain rejects the transaction. A lost answer does not raise: the caller waits."""
    try:
        answer = await chain.broadcast(signed.tx_bytes)
    except Transient:
        return
    if not answer.ok and not is_in_mempool(answer.codespace, answer.code):
        why = explained(answer.codespace, answer.code, answer.log)
        raise Refused(
            f"the chain rejected the transaction (no effect): {why}",
            code=answer.code,
            codespace=answer.codespace,
        )


async def included(
    chain: GrpcChain, signed: SignedTx, prepared: Prepared, now: Callable[[], float]
) -> GetTxResponse:
    """Returns the transaction in its block, whatever its code. Raises NotIncluded or FateUnknown."""
    heard = now()
    while True:
        try:
            head = await chain.head()
            if (found := await _in_block(chain, signed)) is not None:
                return found
            if head.height > prepared.timeout_height + INDEX_LAG:
                late = (
                    f"transaction {signed.tx_hash} was not included by its timeout height "
                    f"{prepared.timeout_height}"
                )
                raise NotIncluded(f"{late}: it had no effect and can be sent again")
            heard = now()
        except Transient as error:
            if now() - heard > SILENT_SECONDS:
                raise FateUnknown(
                    f"transaction {signed.tx_hash} was sent, but the chain does not answer ({error}):"
                    " run `provd query tx` before you send it again; it cannot be included after "
                    f"height {prepared.timeout_height}"
                ) from error
        await asyncio.sleep(POLL_SECONDS)


async def _in_block(chain: GrpcChain, signed: SignedTx) -> GetTxResponse | None:
    """Uses the node's index or, if it has none, the blocks."""
    try:
        return await chain.txs.get(signed.tx_hash)
    except NoIndex:
        return await unindexed.in_block(chain, signed)


def explained(codespace: str, code: int, log: str) -> str:
    """Returns the chain's message for a code, with a hint if the cause is not the message itself."""
    hint = _HINTS.get((codespace, code), "")
    return f"{codespace} {code}: {log or 'no reason given'}" + (f" ({hint})" if hint else "")


_HINTS: dict[tuple[str, int], str] = {
    (SDK, SdkCode.TX_DECODE): (
        "the chain cannot decode it; some chains reject jobs with environment variables: set them in "
        "the command instead"
    ),
    (SDK, SdkCode.INSUFFICIENT_FUNDS): "the account lacks funds for the fee or the price",
    (SDK, SdkCode.OUT_OF_GAS): "out of gas: increase --gas or --gas-adjustment",
    (SDK, SdkCode.TIMEOUT_HEIGHT): "its timeout height had passed: it had no effect",
    (SDK, SdkCode.WRONG_SEQUENCE): "another transaction of this key was included first: try again",
    (ENCRYPTION, EncryptionCode.INVALID_PUBLIC_KEY): (
        "if the account has five keys: revoke one; it is deleted seven days later"
    ),
    (ENCRYPTION, EncryptionCode.EXISTS): (
        "an account has registered this public key, maybe another one: create a new key"
    ),
    (UNDEFINED, ONLY_ERROR): "increase --fees or --gas-prices",
    (RATE_LIMIT, ONLY_ERROR): "too many transactions of this account in recent blocks: try again later",
}
