"""Everything that is read from the chain, through one endpoint or whichever is healthy."""

from decimal import Decimal

import grpc.aio

from provider_daemon.chain import bech32, identity_score, keyspace, messages, recipient_keys
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.blocks import BlockScan
from provider_daemon.chain.broadcast import Broadcast
from provider_daemon.chain.effects import missing_effect
from provider_daemon.chain.endpoint import CALL_SECONDS, Caller
from provider_daemon.chain.evidence_check import plain_key, public_keys_of
from provider_daemon.chain.grpc_errors import NoIndex, NotFound
from provider_daemon.chain.prices import MOST_DIGITS, Prices
from provider_daemon.chain.proto.cosmos.auth.v1beta1 import auth_pb2, auth_pb2_grpc
from provider_daemon.chain.proto.cosmos.authz.v1beta1.tx_pb2 import MsgExec
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2, bank_pb2_grpc
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.chain.proto.cosmos.tx.v1beta1.tx_pb2 import Tx
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgCancelJob
from provider_daemon.chain.query import Query
from provider_daemon.chain.records import chain_job, cluster, offering
from provider_daemon.chain.store import Store
from provider_daemon.errors import Refused, Transient, Unreadable
from provider_daemon.job.spec import ChainJob
from provider_daemon.ports import Account, Cluster, Offering, TxOutcome
from provider_daemon.result_codes import SDK, SdkCode

WITHOUT_EFFECT, BY_RECORDS = 1, "provd"  # code and codespace of a failure that the records show
CANCEL, EXEC = (f"/{message.DESCRIPTOR.full_name}" for message in (MsgCancelJob, MsgExec))
# maximum number of blocks between a transaction's creation and its timeout height (chain.timeout_blocks)
LONGEST_WAIT = 1000
# maximum number of transactions of one search: endless pages would block intake forever
MOST_FOUND = 20_000
MAX_COUNT = 2**63 - 1  # of accounts, and of an account's transactions: the ledger's maximum


class Reader:
    """`query` has single records as protobuf messages, `txs` whole transactions."""

    def __init__(self, caller: Caller, chain_id: str) -> None:
        self._caller = caller
        self._chain_id = chain_id
        self.store = Store(caller)
        self.query = Query(caller, self.store)
        self.txs = Broadcast(caller)
        self.blocks = BlockScan(caller)
        self._prices = Prices(caller, self.store)

    # --- the module's records ---

    async def job_counter(self) -> int:
        return await self.store.counter(keyspace.NEXT_JOB)

    async def job(self, job_id: str) -> ChainJob | None:
        record = await self.query.job(job_id)
        return chain_job(record, self._chain_id) if record else None

    async def cancelled_since(self, height: int) -> frozenset[str]:
        """Returns the cancels.

        A message inside an authz MsgExec has no action event of its own, so both kinds are searched for.
        """
        try:
            return await self._cancelled_by(CANCEL, height) | await self._cancelled_by(EXEC, height)
        except NoIndex as error:
            raise Transient(f"the node cannot search its transactions: {error}") from error

    async def _cancelled_by(self, action: str, height: int) -> frozenset[str]:
        found, cancelled, count = (
            self.txs.search(f"message.action='{action}' AND tx.height>={height}"),
            set[str](),
            0,
        )
        async for tx in found:
            count += 1
            if count > MOST_FOUND:
                raise Transient(
                    f"the node found over {MOST_FOUND} transactions since height {height}; the job "
                    "records are read instead"
                )
            if tx.tx_response.code == 0:
                cancelled.update(_cancelled(tx))
        return frozenset(cancelled)

    async def cluster(self, cluster_id: str) -> Cluster | None:
        record = await self.query.cluster(cluster_id)
        return cluster(record) if record else None

    async def offering(self, offering_id: str) -> Offering | None:
        record = await self.query.offering(offering_id)
        return offering(record) if record else None

    async def node_timeout(self) -> int:
        """Returns the parameter node_heartbeat_timeout in seconds. Raises Unreadable if there is none."""
        params = await self.query.params()
        if params is None or params.node_heartbeat_timeout < 1:
            raise Unreadable("the chain has no parameter node_heartbeat_timeout")
        return params.node_heartbeat_timeout

    async def node_sequence(self, node_id: str) -> int:
        """Returns the number of the node's last heartbeat, 0 before the first."""
        record = await self.query.node(node_id)
        return record.last_sequence_number if record else 0

    async def recipient_keys(self, address: str) -> recipient_keys.Records:
        return await recipient_keys.recipient_keys(self._caller, self.store, address)

    async def key_owner(self, fingerprint: str) -> str:
        return await recipient_keys.key_owner(self._caller, self.store, fingerprint)

    async def identity_score(self, address: str) -> int | None:
        return await identity_score.identity_score(self._caller, address)

    # --- transactions ---

    async def find(self, tx_hash: str, tx_bytes: bytes, first: int) -> TxOutcome | None:
        """Returns the outcome by the node's index.

        Without an index, the blocks from height `first` to the timeout height in `tx_bytes` are read.
        """
        try:
            return await self.txs.find(tx_hash)
        except NoIndex as error:
            if not tx_bytes:
                raise Transient(f"the node cannot find {tx_hash}: {error}") from error
        tx = transactions.decode(tx_bytes)
        last = tx.body.timeout_height or MAX_COUNT
        height = await self.blocks.find(tx_hash, max(first, last - LONGEST_WAIT), last)
        return await self._outcome(tx, tx_hash, height) if height is not None else None

    async def _outcome(self, tx: Tx, tx_hash: str, height: int) -> TxOutcome:
        """Returns the outcome from the account's sequence and the records: a block does not contain it."""
        missing = ""
        for number, address in enumerate(public_keys_of(tx)):
            used = (await self.account(address)).sequence
            if used <= tx.auth_info.signer_infos[number].sequence:
                missing = f"the next sequence of {address} is still {used}"
        missing = missing or await missing_effect(tx, self) or ""
        log = f"included without effect: {missing}" if missing else ""
        return TxOutcome(
            tx_hash, height, WITHOUT_EFFECT if missing else 0, BY_RECORDS if missing else "", log
        )

    async def find_by_sequence(self, address: str, sequence: int) -> TxOutcome | None:
        """Returns the outcome of the transaction that used the sequence.

        Returns None if there is none, or if the node keeps no index, because the transaction is not known
        then.
        """
        try:
            return await self.txs.find_by_sequence(address, sequence)
        except NoIndex:
            return None

    # --- accounts and money ---

    async def account(self, address: str) -> Account:
        info = await self._account_info(address)
        if max(info.account_number, info.sequence) > MAX_COUNT:
            raise Unreadable(
                f"invalid number {info.account_number} or sequence {info.sequence} of account {address}"
            )
        return Account(info.account_number, info.sequence)

    async def public_key(self, address: str) -> bytes:
        """Returns the account's compressed secp256k1 key, or b"" if it has none on chain.

        The chain learns the key from the account's first transaction. Raises Refused for an account that the
        chain does not know or whose key is of another kind, such as a multisig.
        """
        info = await self._account_info(address)
        if not info.HasField("pub_key"):
            return b""
        key = plain_key(info.pub_key)
        if not key:
            raise Refused(f"account {address} has no plain secp256k1 key, but {info.pub_key.type_url[:80]!r}")
        if len(key) != 33 or bech32.address_of(key) != address:
            raise Unreadable(f"the chain's public key of {address} belongs to another account")
        return key

    async def _account_info(self, address: str) -> auth_pb2.BaseAccount:
        async def request(channel: grpc.aio.Channel) -> auth_pb2.QueryAccountInfoResponse:
            message = auth_pb2.QueryAccountInfoRequest(address=address)
            return await auth_pb2_grpc.QueryStub(channel).AccountInfo(message, timeout=CALL_SECONDS)

        try:
            return (await self._caller.call(request)).info
        except NotFound as error:
            raise Refused(
                f"the chain has no account {address}: send fee tokens to it first",
                code=SdkCode.UNKNOWN_ADDRESS,
                codespace=SDK,
            ) from error

    async def balance(self, address: str, denom: str) -> int:
        async def request(channel: grpc.aio.Channel) -> bank_pb2.QueryBalanceResponse:
            message = bank_pb2.QueryBalanceRequest(address=address, denom=denom)
            return await bank_pb2_grpc.QueryStub(channel).Balance(message, timeout=CALL_SECONDS)

        amount = (await self._caller.call(request)).balance.amount or "0"
        if not (amount.isascii() and amount.isdecimal() and len(amount) <= MOST_DIGITS):
            raise Unreadable(f"invalid balance of {address}: {amount[:40]!r}")
        return int(amount)

    async def gas_price(self, denom: str) -> Decimal:
        return await self._prices.gas_price(denom)


def _cancelled(tx: GetTxResponse) -> list[str]:
    return [
        message.job_id
        for message in messages.flatten(tx.tx.body.messages)
        if isinstance(message, MsgCancelJob)
    ]
