"""The chain port over gRPC: ports.Chain, made of the parts beside this file."""

from collections.abc import Sequence
from decimal import Decimal

import grpc.aio

from provider_daemon.chain import keyspace, messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.ask import Ask
from provider_daemon.chain.broadcast import UNFUNDED, Broadcast
from provider_daemon.chain.codec import parse_time
from provider_daemon.chain.evidence_check import public_keys_of, reports
from provider_daemon.chain.node import CALL_SECONDS, Endpoints
from provider_daemon.chain.prices import MOST_DIGITS, Prices
from provider_daemon.chain.proto.cosmos.auth.v1beta1 import auth_pb2, auth_pb2_grpc
from provider_daemon.chain.proto.cosmos.authz.v1beta1.tx_pb2 import MsgExec
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2, bank_pb2_grpc
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgCancelJob, MsgReportJobStatus
from provider_daemon.chain.query import Query
from provider_daemon.chain.records import chain_job, cluster, offering
from provider_daemon.chain.store import Store
from provider_daemon.chain.wire import NotFound
from provider_daemon.errors import Refused, Transient, Unreadable
from provider_daemon.job.spec import ChainJob
from provider_daemon.ports import Account, Clock, Cluster, Head, Offering, TxOutcome
from provider_daemon.troubles import Troubles

CANCEL, REPORT, EXEC = (f"/{message.DESCRIPTOR.full_name}" for message in (MsgCancelJob, MsgReportJobStatus, MsgExec))
MAX_COUNT = 2**63 - 1  # of accounts, and of one's transactions: what the ledger holds


class GrpcChain:
    """`endpoints`: "host:port", or "https://host:port" for TLS.

    Beyond the port: `query` has single records as protobuf messages, `ask` the module's 21 queries, `txs` whole transactions,
    `endpoints.all` who is believed.
    """

    def __init__(self, chain_id: str, endpoints: Sequence[str], clock: Clock, troubles: Troubles | None = None) -> None:
        self.chain_id = chain_id
        self.endpoints = Endpoints(chain_id, list(endpoints), clock, troubles or Troubles())
        self._store = Store(self.endpoints)
        self.query = Query(self.endpoints, self._store)
        self.ask = Ask(self.query, self._store)
        self.txs = Broadcast(self.endpoints)
        self._prices = Prices(self.endpoints, self._store)

    async def head(self) -> Head:
        return await self.endpoints.head()

    # --- the module's records ---

    async def job_counter(self) -> int:
        return await self._store.counter(keyspace.NEXT_JOB)

    async def job(self, job_id: str) -> ChainJob | None:
        record = await self.query.job(job_id)
        return chain_job(record, self.chain_id) if record else None

    async def cancelled_since(self, height: int) -> frozenset[str]:
        """A message inside an authz MsgExec has no action event of its own, so both kinds are looked for."""
        return await self._cancelled_by(CANCEL, height) | await self._cancelled_by(EXEC, height)

    async def _cancelled_by(self, action: str, height: int) -> frozenset[str]:
        found = self.txs.search(f"message.action='{action}' AND tx.height>={height}")
        return frozenset([job_id async for tx in found if tx.tx_response.code == 0 for job_id in _cancelled(tx)])

    async def cluster(self, cluster_id: str) -> Cluster | None:
        record = await self.query.cluster(cluster_id)
        return cluster(record) if record else None

    async def offering(self, offering_id: str) -> Offering | None:
        record = await self.query.offering(offering_id)
        return offering(record) if record else None

    async def reports_of(self, job_id: str) -> list[GetTxResponse]:
        """Every transaction in a block that reports about the job, oldest first.

        Events name no job, so all are read since it was made, until it ended: the chain takes no report after that.
        """
        record = await self.query.job(job_id)
        since, ended = (record.block_height, record.completed_at.seconds) if record else (1, 0)
        reports = []
        async for tx in self.txs.search(f"message.action='{REPORT}' AND tx.height>={since}"):
            if ended and _seconds(tx) > ended:
                break
            if tx.tx_response.code == 0 and job_id in _reported(tx):
                reports.append(tx)
        return reports

    # --- accounts and money ---

    async def account(self, address: str) -> Account:
        async def request(channel: grpc.aio.Channel) -> auth_pb2.QueryAccountInfoResponse:
            message = auth_pb2.QueryAccountInfoRequest(address=address)
            return await auth_pb2_grpc.QueryStub(channel).AccountInfo(message, timeout=CALL_SECONDS)

        try:
            info = (await self.endpoints.call(request)).info
        except NotFound as error:
            raise Refused(
                f"the chain does not know account {address}: send it the fee denom first", code=UNFUNDED, codespace="sdk"
            ) from error
        if max(info.account_number, info.sequence) > MAX_COUNT:
            raise Unreadable(f"account {address} is said to have number {info.account_number} and sequence {info.sequence}")
        return Account(info.account_number, info.sequence)

    async def balance(self, address: str, denom: str) -> int:
        async def request(channel: grpc.aio.Channel) -> bank_pb2.QueryBalanceResponse:
            message = bank_pb2.QueryBalanceRequest(address=address, denom=denom)
            return await bank_pb2_grpc.QueryStub(channel).Balance(message, timeout=CALL_SECONDS)

        amount = (await self.endpoints.call(request)).balance.amount or "0"
        if not (amount.isascii() and amount.isdecimal() and len(amount) <= MOST_DIGITS):
            raise Unreadable(f"the balance {amount[:40]!r} of {address} is no amount")
        return int(amount)

    async def gas_price(self, denom: str) -> Decimal:
        return await self._prices.gas_price(denom)

    # --- transactions ---

    async def simulate(self, tx_bytes: bytes) -> int:
        return await self.txs.simulate(tx_bytes)

    async def broadcast(self, tx_bytes: bytes) -> TxOutcome:
        """CheckTx's answer. The refusal of an account that does not exist cannot be read, and no more can a damaged answer."""
        try:
            return await self.txs.send(tx_bytes)
        except Unreadable as error:
            return await self._unread(tx_bytes, error)

    async def _unread(self, tx_bytes: bytes, error: Unreadable) -> TxOutcome:
        """A refusal when a signer has no account; else nothing is known, and the bytes may be in a mempool."""
        for address in public_keys_of(transactions.decode(tx_bytes)):
            try:
                await self.account(address)
            except Refused as unfunded:
                return TxOutcome(transactions.tx_hash(tx_bytes), 0, UNFUNDED, "sdk", str(unfunded))
        raise Transient(f"the answer to a transaction cannot be read: {error}; GetTx will tell whether it was taken") from error

    async def find(self, tx_hash: str) -> TxOutcome | None:
        return await self.txs.find(tx_hash)

    async def find_by_sequence(self, address: str, sequence: int) -> TxOutcome | None:
        return await self.txs.find_by_sequence(address, sequence)

    async def close(self) -> None:
        await self.endpoints.close()


def _cancelled(tx: GetTxResponse) -> list[str]:
    return [message.job_id for message in messages.flatten(tx.tx.body.messages) if isinstance(message, MsgCancelJob)]


def _reported(tx: GetTxResponse) -> set[str]:
    return {report.job_id for report in reports(tx.tx)}


def _seconds(tx: GetTxResponse) -> int:
    """Of its block, since the epoch; 0 where the node does not say."""
    text = tx.tx_response.timestamp
    return parse_time(text) // 10**9 if text else 0
