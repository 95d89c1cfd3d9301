"""Money of a job: escrowed at submission, paid out once when it ends (MODULE.md, 'Settlement and rewards').

Failed, cancelled and timed-out jobs are billed for what they used. Where no usage can reach the chain (a customer's cancel, the chain's own
time-out), the bill is on the resources asked for and the time that the chain saw: to the cancel, or to the job's limit. The uvirt that
truncation leaves over goes back to the customer with the rest of the escrow. Under `published` rules nothing happens at all.
"""

import hashlib
import json
from collections import Counter

from provider_daemon.chain import keyspace, messages
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet import bank
from provider_daemon.devnet.context import Context
from provider_daemon.job.billing import Bill, bill
from provider_daemon.job.usage import Usage, node_hours

DENOM = "uvirt"
FORMULA_VERSION = "v1.0.0"


def open_escrow(ctx: Context, job: types_pb2.HPCJob) -> None:
    """Moves max_price from the customer into escrow and writes its id on the job."""
    if ctx.rules.settlement == "published" or not job.agreed_price:
        return
    for coin in job.agreed_price:
        bank.move(ctx.state, job.customer_address, bank.ESCROW_ADDRESS, coin.denom, int(coin.amount))
    job.escrow_id = f"hpc-escrow-{job.job_id}"
    ctx.state.put(bank.ESCROW, job.job_id.encode(), b"open")


def settle_usage(ctx: Context, job: types_pb2.HPCJob, metrics: types_pb2.HPCUsageMetrics) -> None:
    """On the usage that the provider reported; a job that never ran is refunded whole."""
    _settle(ctx, job, messages.usage_of(metrics))


def settle_requested(ctx: Context, job: types_pb2.HPCJob, seconds: int | None) -> None:
    """On the resources asked for, for so many seconds; None for a job that never ran."""
    if seconds is None:
        _settle(ctx, job, Usage())
        return
    asked = job.resources
    usage = Usage(
        wall_clock_seconds=seconds,
        cpu_core_seconds=asked.nodes * asked.cpu_cores_per_node * seconds,
        memory_gb_seconds=asked.nodes * asked.memory_gb_per_node * seconds,
        gpu_seconds=asked.nodes * asked.gpus_per_node * seconds,
        node_hours=node_hours(asked.nodes * seconds),
        nodes_used=asked.nodes,
    )
    _settle(ctx, job, usage)


def _settle(ctx: Context, job: types_pb2.HPCJob, usage: Usage) -> None:
    if ctx.state.get(bank.ESCROW, job.job_id.encode()) != b"open":
        return  # no escrow, or paid out already: never twice
    escrowed: Counter[str] = Counter()
    for coin in job.agreed_price:
        escrowed[coin.denom] += int(coin.amount)
    cost = bill(usage, job.resources.gpu_type, ceiling=escrowed[DENOM])
    for address, denom, amount in _payments(job, escrowed, cost):
        bank.move(ctx.state, bank.ESCROW_ADDRESS, address, denom, amount)
    ctx.state.put(bank.ESCROW, job.job_id.encode(), b"closed")
    _record(ctx, job, usage, cost)


def _payments(job: types_pb2.HPCJob, escrowed: Counter[str], cost: Bill) -> list[tuple[str, str, int]]:
    """Recipient, denom and amount; together exactly what was escrowed, or no payment is made at all."""
    left = escrowed - Counter({DENOM: cost.provider_reward + cost.platform_fee})
    payments = [
        (job.provider_address, DENOM, cost.provider_reward),
        (bank.PLATFORM_ADDRESS, DENOM, cost.platform_fee),
        *((job.customer_address, denom, amount) for denom, amount in left.items()),
    ]
    paid: Counter[str] = Counter()
    for _, denom, amount in payments:
        paid[denom] += amount
    if +paid != +escrowed:
        raise AssertionError(f"{job.job_id}: {dict(paid)} would be paid out of {dict(escrowed)}")
    return [payment for payment in payments if payment[2]]


def _record(ctx: Context, job: types_pb2.HPCJob, usage: Usage, cost: Bill) -> None:
    accounting = types_pb2.JobAccounting(
        job_id=job.job_id,
        cluster_id=job.cluster_id,
        provider_address=job.provider_address,
        customer_address=job.customer_address,
        usage_metrics=messages.usage_metrics(usage),
        total_cost=_coins(cost.total),
        provider_reward=_coins(cost.provider_reward),
        platform_fee=_coins(cost.platform_fee),
        settlement_status="settled",
        settlement_id=f"hpc-settlement-{job.job_id}",
        job_completion_status=job.state,
        created_at=ctx.now,
        finalized_at=ctx.now,
        block_height=ctx.height,
    )
    ctx.store(keyspace.JOB_ACCOUNTING, job.job_id, accounting)
    if cost.total:
        _reward(ctx, job, usage, cost)


def _reward(ctx: Context, job: types_pb2.HPCJob, usage: Usage, cost: Bill) -> None:
    reward_id = f"hpc-reward-{job.job_id}"
    reward = types_pb2.HPCRewardRecord(
        reward_id=reward_id,
        job_id=job.job_id,
        cluster_id=job.cluster_id,
        source=types_pb2.HPC_REWARD_SOURCE_JOB_COMPLETION,
        total_reward=_coins(cost.provider_reward + cost.platform_fee),
        recipients=[
            _recipient(job.provider_address, cost.provider_reward, "provider"),
            _recipient(bank.PLATFORM_ADDRESS, cost.platform_fee, "platform"),
        ],
        job_completion_status=job.state,
        formula_version=FORMULA_VERSION,
        calculation_details=types_pb2.RewardCalculationDetails(
            total_usage_value=str(cost.total),
            reward_pool_contribution=str(cost.provider_reward),
            platform_fee_rate="250",
            node_contribution_formula="all to the provider",
            input_metrics={"calculation_hash": calculation_hash(job, usage)},
        ),
        issued_at=ctx.now,
        block_height=ctx.height,
    )
    ctx.store(keyspace.REWARD, reward_id, reward)


def calculation_hash(job: types_pb2.HPCJob, usage: Usage) -> str:
    """SHA-256 of the accounting's inputs in a fixed order (MODULE.md, 'Accounting record'): same inputs, same hash."""
    metrics = messages.usage_metrics(usage)
    document = {
        "job_id": job.job_id,
        "cluster_id": job.cluster_id,
        "usage": {field.name: getattr(metrics, field.name) for field in metrics.DESCRIPTOR.fields},
        "period_start": job.started_at.seconds,
        "period_end": job.completed_at.seconds,
        "formula_version": FORMULA_VERSION,
        "usage_record_ids": [],
    }
    return hashlib.sha256(json.dumps(document, separators=(",", ":")).encode()).hexdigest()


def _recipient(address: str, amount: int, kind: str) -> types_pb2.HPCRewardRecipient:
    return types_pb2.HPCRewardRecipient(address=address, amount=_coins(amount), recipient_type=kind, contribution_weight="1", reason=kind)


def _coins(amount: int) -> list[Coin]:
    return [Coin(denom=DENOM, amount=str(amount))] if amount else []
