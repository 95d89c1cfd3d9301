"""Distributes an escrow (docs/billing.md, 'Settlement'): every uvirt is paid exactly once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from provider_daemon.money.bill import Bill

DENOM = "uvirt"  # what is billed; other denominations in an escrow are refunded completely


class Recipient(StrEnum):
    """In the order in which payments are recorded. The customer's refund is not a reward."""

    PLATFORM = "platform"
    PROVIDER = "provider"
    NODE_OPERATOR = "node_operator"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class NodeReward:
    """A node of the job. Its share of the nodes' reward is `weight` / sum of weights."""

    node_id: str
    operator: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Payment:
    recipient: Recipient
    address: str
    amount: int
    denom: str = DENOM
    node: NodeReward | None = None


@dataclass(frozen=True, slots=True)
class Escrow:
    """A customer's deposit for one job. `coins`: denomination -> amount."""

    job_id: str
    customer: str
    coins: Mapping[str, int] = field(default_factory=dict)
    open: bool = True


class NotPayable(Exception):
    """The escrow is closed or does not cover the payments. Nothing may be paid."""


def rewards(
    cost: Bill, *, platform: str, provider: str, nodes: Sequence[NodeReward] = ()
) -> tuple[Payment, ...]:
    """Returns the payments to platform, provider and node operators that are not 0.

    Without nodes their share is paid to nobody.
    """
    weights = sum(node.weight for node in nodes)
    paid = [
        Payment(Recipient.PLATFORM, platform, cost.platform_fee),
        Payment(Recipient.PROVIDER, provider, cost.provider_reward),
        *(
            Payment(
                Recipient.NODE_OPERATOR, node.operator, cost.node_reward * node.weight // weights, node=node
            )
            for node in nodes
        ),
    ]
    return tuple(payment for payment in paid if payment.amount)


def pay(escrow: Escrow, due: Sequence[Payment]) -> tuple[Escrow, tuple[Payment, ...]]:
    """Returns the closed escrow and its payments: those due, and the rest to the customer.

    Their sum is exactly what the escrow held.
    """
    if not escrow.open:
        raise NotPayable(f"the escrow of {escrow.job_id} is closed: it has paid")
    left = Counter(escrow.coins)
    for payment in due:
        left[payment.denom] -= payment.amount
        if payment.amount < 0 or left[payment.denom] < 0:
            raise NotPayable(
                f"{escrow.job_id}: {payment.amount}{payment.denom} for {payment.recipient} are not in "
                "the escrow"
            )
    refunds = [
        Payment(Recipient.CUSTOMER, escrow.customer, amount, denom)
        for denom, amount in sorted(left.items())
        if amount
    ]
    return Escrow(escrow.job_id, escrow.customer, escrow.coins, open=False), (*due, *refunds)
