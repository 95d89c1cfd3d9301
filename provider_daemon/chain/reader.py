"""Everything that one way of asking the chain can read: one endpoint, or whichever is healthy."""

from decimal import Decimal

import grpc.aio

from provider_daemon.chain import keyspace, messages
from provider_daemon.chain.broadcast import UNFUNDED, Broadcast
from provider_daemon.chain.endpoint import CALL_SECONDS, Caller
from provider_daemon.chain.prices import MOST_DIGITS, Prices
from provider_daemon.chain.proto.cosmos.auth.v1beta1 import auth_pb2, auth_pb2_grpc
from provider_daemon.chain.proto.cosmos.authz.v1beta1.tx_pb2 import MsgExec
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2, bank_pb2_grpc
from provider_daemon.chain.proto.cosmos.tx.v1beta1.service_pb2 import GetTxResponse
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgCancelJob
from provider_daemon.chain.query import Query
from provider_daemon.chain.records import chain_job, cluster, offering
from provider_daemon.chain.store import Store
from provider_daemon.chain.wire import NotFound
from provider_daemon.errors import Refused, Unreadable
from provider_daemon.job.spec import ChainJob
from provider_daemon.ports import Account, Cluster, Offering

CANCEL, EXEC = (f"/{message.DESCRIPTOR.full_name}" for message in (MsgCancelJob, MsgExec))
MAX_COUNT = 2**63 - 1  # of accounts, and of one's transactions: what the ledger holds


class Reader:
    """`query` has single records as protobuf messages, `txs` whole transactions."""

    def __init__(self, caller: Caller, chain_id: str) -> None:
        self._caller = caller
        self._chain_id = chain_id
        self.store = Store(caller)
        self.query = Query(caller, self.store)
        self.txs = Broadcast(caller)
        self._prices = Prices(caller, self.store)

    # --- the module's records ---

    async def job_counter(self) -> int:
        return await self.store.counter(keyspace.NEXT_JOB)

    async def job(self, job_id: str) -> ChainJob | None:
        record = await self.query.job(job_id)
        return chain_job(record, self._chain_id) if record else None

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

    # --- accounts and money ---

    async def account(self, address: str) -> Account:
        async def request(channel: grpc.aio.Channel) -> auth_pb2.QueryAccountInfoResponse:
            message = auth_pb2.QueryAccountInfoRequest(address=address)
            return await auth_pb2_grpc.QueryStub(channel).AccountInfo(message, timeout=CALL_SECONDS)

        try:
            info = (await self._caller.call(request)).info
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

        amount = (await self._caller.call(request)).balance.amount or "0"
        if not (amount.isascii() and amount.isdecimal() and len(amount) <= MOST_DIGITS):
            raise Unreadable(f"the balance {amount[:40]!r} of {address} is no amount")
        return int(amount)

    async def gas_price(self, denom: str) -> Decimal:
        return await self._prices.gas_price(denom)


def _cancelled(tx: GetTxResponse) -> list[str]:
    return [message.job_id for message in messages.flatten(tx.tx.body.messages) if isinstance(message, MsgCancelJob)]
