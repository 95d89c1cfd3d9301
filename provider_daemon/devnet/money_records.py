"""The module's money records, built from the results of provider_daemon.money and read back."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from google.protobuf.timestamp_pb2 import Timestamp

from provider_daemon.chain import messages
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.job.usage import Usage
from provider_daemon.money.accounting import FORMULA_VERSION, AccountingRecord, Status, calculation_hash
from provider_daemon.money.bill import Bill
from provider_daemon.money.settlement import DENOM, Escrow, NodeReward, Payment, Recipient


def escrow(job: types_pb2.HPCJob, *, paid: bool) -> Escrow:
    """Returns the escrow; it is empty for a job without a payment."""
    coins: Counter[str] = Counter()
    for coin in job.agreed_price if job.escrow_id else ():
        coins[coin.denom] += int(coin.amount)
    return Escrow(job.job_id, job.customer_address, coins, open=not paid)


def accounting(
    job: types_pb2.HPCJob, usage: Usage, cost: Bill, due: Sequence[Payment], now: Timestamp, height: int
) -> types_pb2.JobAccounting:
    """Returns a pending accounting record."""
    nodes = [payment for payment in due if payment.node]
    return types_pb2.JobAccounting(
        job_id=job.job_id,
        cluster_id=job.cluster_id,
        provider_address=job.provider_address,
        customer_address=job.customer_address,
        usage_metrics=messages.usage_metrics(usage),
        total_cost=coins(cost.total),
        provider_reward=coins(cost.provider_reward),
        node_rewards=[_node_reward(payment, usage) for payment in nodes],
        platform_fee=coins(cost.platform_fee),
        settlement_status=Status.PENDING,
        job_completion_status=job.state,
        created_at=now,
        block_height=height,
    )


def _node_reward(payment: Payment, usage: Usage) -> types_pb2.NodeReward:
    assert payment.node is not None
    return types_pb2.NodeReward(
        node_id=payment.node.node_id,
        provider_address=payment.address,
        amount=coins(payment.amount),
        contribution_weight=str(payment.node.weight),
        usage_seconds=usage.wall_clock_seconds,
    )


def record(job: types_pb2.HPCJob, stored: types_pb2.JobAccounting) -> AccountingRecord:
    """Reads an accounting record. The hash is calculated again: the protobuf message has no field for it."""
    found = AccountingRecord(
        job_id=job.job_id,
        cluster_id=job.cluster_id,
        usage=messages.usage_of(stored.usage_metrics),
        period_start=job.started_at.seconds,
        period_end=job.completed_at.seconds,
        usage_record_ids=tuple(stored.signed_usage_record_ids),
        status=Status(stored.settlement_status),
        finalized_at=stored.finalized_at.seconds,
    )
    return replace(found, calculation_hash=calculation_hash(found))


def due(stored: types_pb2.JobAccounting, platform: str) -> list[Payment]:
    """Returns the accounting's payments, in the order of the recipients."""
    paid = [
        Payment(Recipient.PLATFORM, platform, amount(stored.platform_fee)),
        Payment(Recipient.PROVIDER, stored.provider_address, amount(stored.provider_reward)),
    ]
    for reward in stored.node_rewards:
        node = NodeReward(reward.node_id, reward.provider_address, int(reward.contribution_weight))
        paid.append(Payment(Recipient.NODE_OPERATOR, node.operator, amount(reward.amount), node=node))
    return [payment for payment in paid if payment.amount]


def reward(
    job: types_pb2.HPCJob,
    stored: types_pb2.JobAccounting,
    paid: Sequence[Payment],
    inputs: dict[str, str],
    fee_bps: int,
) -> types_pb2.HPCRewardRecord:
    """Returns a reward record. Non-empty `inputs` go to input_metrics, beside the calculation's hash."""
    return types_pb2.HPCRewardRecord(
        reward_id=f"hpc-reward-{job.job_id}",
        job_id=job.job_id,
        cluster_id=job.cluster_id,
        source=types_pb2.HPC_REWARD_SOURCE_JOB_COMPLETION,
        total_reward=coins(sum(payment.amount for payment in paid)),
        recipients=[_recipient(payment) for payment in paid],
        referenced_usage_records=stored.signed_usage_record_ids,
        job_completion_status=job.state,
        formula_version=FORMULA_VERSION,
        calculation_details=types_pb2.RewardCalculationDetails(
            total_usage_value=str(amount(stored.total_cost)),
            reward_pool_contribution=str(amount(stored.provider_reward)),
            platform_fee_rate=str(fee_bps),
            node_contribution_formula="by weight" if stored.node_rewards else "all to the provider",
            input_metrics={
                "calculation_hash": record(job, stored).calculation_hash,
                **{name: text for name, text in inputs.items() if text},
            },
        ),
    )


def _recipient(payment: Payment) -> types_pb2.HPCRewardRecipient:
    return types_pb2.HPCRewardRecipient(
        address=payment.address,
        amount=coins(payment.amount),
        recipient_type=payment.recipient,
        node_id=payment.node.node_id if payment.node else "",
        contribution_weight=str(payment.node.weight) if payment.node else "1",
        reason=payment.recipient,
    )


def coins(amount: int) -> list[Coin]:
    """Returns coins; an empty list for zero, as the SDK writes it."""
    return [Coin(denom=DENOM, amount=str(amount))] if amount else []


def amount(held: Iterable[Coin]) -> int:
    """Returns the amount in uvirt."""
    return sum(int(coin.amount) for coin in held if coin.denom == DENOM)
