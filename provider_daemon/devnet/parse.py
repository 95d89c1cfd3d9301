"""Decoding of transaction bytes for the checks."""

from dataclasses import dataclass

from google.protobuf.message import DecodeError, Message

from provider_daemon.chain import messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgSubmitJob
from provider_daemon.devnet import coins, failures
from provider_daemon.devnet.context import ChainRules
from provider_daemon.devnet.failures import sdk
from provider_daemon.errors import Unreadable

MAX_TX_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class ParsedTx:
    """A decoded transaction.

    `signer` is the one account that signs; `fee` is in the fee denom; `public_key` may be left out once the
    chain knows it.
    """

    tx_bytes: bytes
    tx_hash: str
    raw: tx_pb2.TxRaw
    tx: tx_pb2.Tx
    messages: tuple[Message, ...]
    signer: str
    public_key: bytes
    fee: int

    @property
    def gas_limit(self) -> int:
        return self.tx.auth_info.fee.gas_limit

    @property
    def sequence(self) -> int:
        return self.tx.auth_info.signer_infos[0].sequence


def parse(tx_bytes: bytes, rules: ChainRules) -> ParsedTx:
    """Decodes a transaction.

    Raises ChainError: (2) for bytes that are not a transaction, (21) for one that is too large, (4) and (18)
    for wrong signers.
    """
    if len(tx_bytes) > MAX_TX_BYTES:
        raise sdk(failures.TX_TOO_LARGE)
    try:
        raw, tx = tx_pb2.TxRaw.FromString(tx_bytes), transactions.decode(tx_bytes)
        found = tuple(messages.unpack(envelope) for envelope in tx.body.messages)
        keys = [PubKey.FromString(info.public_key.value).key for info in tx.auth_info.signer_infos]
    except (DecodeError, Unreadable) as error:
        raise sdk(failures.TX_DECODE, str(error)) from error
    _no_maps(found, rules)
    signers = list(dict.fromkeys(messages.signer_of(message) for message in found))
    if not found:
        raise sdk(failures.INVALID_REQUEST, "must contain at least one message")
    if len(signers) != 1 or len(raw.signatures) != 1 or len(keys) != 1:
        raise sdk(
            failures.SDK_UNAUTHORIZED,
            f"wrong number of signers; expected {len(signers)}, got {len(raw.signatures)}",
        )
    coins.check(tx.auth_info.fee.amount)
    fee = sum(int(coin.amount) for coin in tx.auth_info.fee.amount if coin.denom == rules.fee_denom)
    return ParsedTx(tx_bytes, transactions.tx_hash(tx_bytes), raw, tx, found, signers[0], keys[0], fee)


def _no_maps(found: tuple[Message, ...], rules: ChainRules) -> None:
    """Refuses map fields.

    The published chain's decoder does not support them: a job with an environment does not reach the checks.
    """
    if rules.has_quirks and any(
        isinstance(message, MsgSubmitJob) and message.workload_spec.environment for message in found
    ):
        raise sdk(failures.TX_DECODE, "map fields are not supported")
