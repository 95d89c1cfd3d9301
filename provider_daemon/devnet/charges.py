"""What an ended job is charged on this chain, and who is paid.

The bill follows the rules in force and, where they ask for it, the customer's past jobs.
"""

from collections.abc import Iterator

from provider_daemon.chain import keyspace, messages
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.devnet import bank, money_records, prices
from provider_daemon.devnet.context import Context
from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import Bill, bill
from provider_daemon.money.purchase import Past, Purchase
from provider_daemon.money.settlement import DENOM, NodeReward, Payment, rewards

# a separate store: job id -> the discounts of its bill, for which the accounting record has no field
DISCOUNTED = "discounted"


def charge(
    ctx: Context, job: types_pb2.HPCJob, usage: Usage, node_hours: int | None
) -> tuple[Bill, tuple[Payment, ...]]:
    """Returns the bill, limited to what is in escrow, and its distribution.

    `node_hours` is in fixed point; None means the whole node-hours of the usage.
    """
    ceiling = money_records.escrow(job, paid=False).coins.get(DENOM, 0)
    rules = prices.rules(ctx, job.job_id)
    cost = bill(
        usage,
        job.resources.gpu_type,
        ceiling,
        node_hours=node_hours,
        rules=rules,
        purchase=_purchase(ctx, job),
    )
    ctx.state.put(
        DISCOUNTED, job.job_id.encode(), ",".join(taken.rule_id for taken in cost.discounts).encode()
    )
    return cost, rewards(
        cost, platform=bank.PLATFORM_ADDRESS, provider=job.provider_address, nodes=_nodes(ctx, job, cost)
    )


def _nodes(ctx: Context, job: types_pb2.HPCJob, cost: Bill) -> list[NodeReward]:
    """Returns the nodes that share the operators' part.

    Every active node of the cluster gets the same share: the module does not know which of them ran the job.
    """
    nodes = ctx.every(types_pb2.NodeMetadata, keyspace.NODE) if cost.node_reward else []
    return [
        NodeReward(node.node_id, node.provider_address)
        for node in nodes
        if node.active and node.cluster_id == job.cluster_id
    ]


def _purchase(ctx: Context, job: types_pb2.HPCJob) -> Purchase:
    """Returns what the discounts depend on.

    The customer's past is read only if a rule needs it. No message of the chain carries a discount code.
    """
    rules = ctx.rules.billing
    return Purchase(
        customer=job.customer_address,
        cluster_id=job.cluster_id,
        ended_at=ctx.now.seconds,
        queued_seconds=max(0, job.started_at.seconds - job.queued_at.seconds),
        past=tuple(_past(ctx, job)) if rules.discounts or rules.caps else (),
    )


def _past(ctx: Context, job: types_pb2.HPCJob) -> Iterator[Past]:
    for stored in ctx.every(types_pb2.JobAccounting, keyspace.JOB_ACCOUNTING):
        if stored.customer_address == job.customer_address and stored.job_id != job.job_id:
            yield Past(
                ended_at=stored.created_at.seconds,
                cluster_id=stored.cluster_id,
                usage=messages.usage_of(stored.usage_metrics),
                total=money_records.amount(stored.total_cost),
                discounts=tuple(discounts_of(ctx, stored.job_id).split(",")),
            )


def discounts_of(ctx: Context, job_id: str) -> str:
    return ctx.state.get(DISCOUNTED, job_id.encode()).decode()
