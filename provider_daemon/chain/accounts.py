"""Reads accounts and accountings for the books: what the chain paid, and what moved on an account."""

from collections import Counter
from collections.abc import Iterable

from provider_daemon.chain import keyspace, messages
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.amounts import amount, amounts
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.codec import decode
from provider_daemon.chain.grpc_errors import NoIndex
from provider_daemon.chain.proto.cosmos.bank.v1beta1.bank_pb2 import MsgSend
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.cosmos.tx.v1beta1 import tx_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.records import job_state
from provider_daemon.chain.store import Store
from provider_daemon.money.account import Accounted, Movement, Reading
from provider_daemon.money.settlement import DENOM


class GrpcAccounts:
    """The port Accounts over a chain client."""

    def __init__(self, chain: GrpcChain) -> None:
        self._chain = chain
        self._store = Store(chain.endpoints)

    async def accounted(self, job_id: str) -> Accounted | None:
        job = await self._chain.query.job(job_id)
        if job is None:
            return None
        accounting = await self._chain.query.job_accounting(job_id)
        settled = await self._settled_at(accounting) if accounting else 0
        return accounted(job, accounting, settled)

    async def _settled_at(self, accounting: types_pb2.JobAccounting) -> int:
        """Returns the time of the payment; 0 before it. A job that pays nobody has no reward record."""
        if accounting.settlement_status != "settled":
            return 0
        value = await self._store.get(keyspace.key(keyspace.REWARD, f"hpc-reward-{accounting.job_id}"))
        reward = decode(types_pb2.HPCRewardRecord, value) if value else None
        return (reward.issued_at if reward else accounting.finalized_at).seconds

    async def reading(self, address: str, denoms: Iterable[str], at: float) -> Reading:
        head = await self._chain.head()
        account = await self._chain.account(address)
        balances = {denom: await self._chain.balance(address, denom) for denom in denoms}
        return Reading(at, head.height, account.sequence, balances)

    async def by_sequence(self, address: str, sequence: int) -> Movement | None:
        """Returns what the transaction moved that used the sequence; None if no node has it in its index."""
        try:
            async for found in self._chain.txs.search(f"tx.acc_seq='{address}/{sequence}'"):
                return movement(found.tx, found.tx_response.code, address)
        except NoIndex:
            return None
        return None

    async def incoming(self, address: str, above: int, up_to: int) -> Movement:
        """Returns what others sent to the account after block `above`, up to block `up_to`.

        Without an index nothing is known.
        """
        moved = Movement()
        query = f"transfer.recipient='{address}' AND tx.height>{above} AND tx.height<={up_to}"
        try:
            async for found in self._chain.txs.search(query):
                signed_by_us = signer_of(found.tx) == address
                if not signed_by_us and found.tx_response.code == 0:
                    moved += Movement(received=_received(found.tx, address))
        except NoIndex:
            return Movement()
        return moved


def accounted(
    job: types_pb2.HPCJob, accounting: types_pb2.JobAccounting | None, settled_at: int
) -> Accounted:
    """Combines the two records. Without an accounting nothing was billed yet.

    Raises Unreadable for an amount that is no number.
    """
    found = accounting or types_pb2.JobAccounting()
    where = f"the accounting of {job.job_id}"
    return Accounted(
        job_id=job.job_id,
        cluster_id=job.cluster_id,
        offering_id=job.offering_id,
        queue=job.queue_name,
        provider=job.provider_address,
        customer=job.customer_address,
        state=job_state(job.state, job.job_id).value,
        nodes=job.resources.nodes,
        started_at=max(0, job.started_at.seconds),
        ended_at=max(0, job.completed_at.seconds),
        usage=messages.usage_of(found.usage_metrics),
        status=found.settlement_status,
        total=amount(found.total_cost, DENOM, where, "total_cost"),
        platform_fee=amount(found.platform_fee, DENOM, where, "platform_fee"),
        provider_reward=amount(found.provider_reward, DENOM, where, "provider_reward"),
        node_rewards=tuple(
            (each.provider_address, amount(each.amount, DENOM, where, "node_rewards"))
            for each in found.node_rewards
        ),
        price=",".join(f"{coin.amount}{coin.denom}" for coin in job.agreed_price),
        escrowed=amount(job.agreed_price, DENOM, f"job {job.job_id}", "agreed_price") if job.escrow_id else 0,
        settled_at=settled_at,
    )


def movement(tx: tx_pb2.Tx, code: int, address: str) -> Movement:
    """Returns what a transaction of the account moved. The fee of a failed one is paid all the same."""
    payer = tx.auth_info.fee.granter or tx.auth_info.fee.payer or address
    fees = _coins(tx.auth_info.fee.amount) if payer == address else {}
    if code:
        return Movement(1, fees=fees)
    sends = [message for message in messages.flatten(tx.body.messages) if isinstance(message, MsgSend)]
    sent = [coin for each in sends if each.from_address == address for coin in each.amount]
    return Movement(1, fees=fees, sent=_coins(sent), received=_received(tx, address))


def movement_of(tx_bytes: bytes, code: int, address: str) -> Movement:
    """As `movement`; raises Unreadable for bytes that are not a transaction."""
    return movement(transactions.decode(tx_bytes), code, address)


def signer_of(tx: tx_pb2.Tx) -> str:
    """Returns the signer of the first message that is known here, "" if there is none."""
    found = messages.flatten(tx.body.messages)
    return messages.signer_of(found[0]) if found else ""


def _received(tx: tx_pb2.Tx, address: str) -> dict[str, int]:
    sends = [message for message in messages.flatten(tx.body.messages) if isinstance(message, MsgSend)]
    return _coins(coin for each in sends if each.to_address == address for coin in each.amount)


def _coins(held: Iterable[Coin]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for denom, number in amounts(held, "a transaction", "its coins"):
        sums[denom] += number
    return dict(sums)
