"""Computes a bill from usage (docs/billing.md, 'From subtotal to total').

Each component is quantity times rate times the queue's price multiplier in 18-digit fixed point, truncated;
then subtotal - discounts - queue-time credit - caps, then at least the minimum charge, then at most what was
escrowed; fee and rewards are shares of that, each truncated. The remainder of truncation (at most one uvirt
per share) is paid to nobody: it stays in the escrow and is refunded to the customer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from provider_daemon.job.usage import Usage
from provider_daemon.money.caps import caps
from provider_daemon.money.discounts import Reduction, discounts
from provider_daemon.money.fixed import cost, share
from provider_daemon.money.purchase import UNKNOWN, Purchase
from provider_daemon.money.quantities import quantities
from provider_daemon.money.rates import Component
from provider_daemon.money.rules import DEFAULT, Rules


@dataclass(frozen=True, slots=True)
class Bill:
    """Amounts in uvirt. Fee and rewards never exceed the total.

    total = subtotal - discounts - queue_credit - caps + minimum_topup - over_escrow
    """

    cpu: int = 0
    memory: int = 0
    gpu: int = 0
    storage: int = 0
    network: int = 0
    node: int = 0
    subtotal: int = 0
    discounts: tuple[Reduction, ...] = ()
    queue_credit: int = 0
    caps: tuple[Reduction, ...] = ()
    minimum_topup: int = 0
    over_escrow: int = 0
    total: int = 0
    platform_fee: int = 0
    provider_reward: int = 0
    node_reward: int = 0

    @property
    def remainder(self) -> int:
        """The remainder of truncation, which is refunded to the customer."""
        return self.total - self.platform_fee - self.provider_reward - self.node_reward


def bill(
    usage: Usage,
    gpu_type: str = "",
    ceiling: int | None = None,
    *,
    node_hours: int | None = None,
    rules: Rules = DEFAULT,
    purchase: Purchase = UNKNOWN,
) -> Bill:
    """Returns the bill for `usage`, at most `ceiling` (the escrow).

    A job without usage pays nothing, not even the minimum charge. `node_hours`: in fixed point, where they
    are known more exactly than the whole number that is reported.
    """
    if usage == Usage() and not node_hours:
        return Bill()
    hours = quantities(usage, rules.granularity_seconds, node_hours)
    costs = {
        part: cost(quantity, rules.rates.of(part, gpu_type), rules.price_multiplier)
        for part, quantity in hours.items()
    }
    subtotal = sum(costs.values())
    reductions = discounts(rules.discounts, costs, hours, purchase)
    left = subtotal - _sum(reductions)
    credit = min(left, share(subtotal, rules.queue_credit.basis_points(purchase.queued_seconds)))
    capped = caps(rules.caps, left - credit, purchase)
    for_use = left - credit - _sum(capped)
    charged = max(for_use, rules.minimum_charge)
    total = charged if ceiling is None else min(charged, ceiling)
    return Bill(
        **_named(costs),
        subtotal=subtotal,
        discounts=reductions,
        queue_credit=credit,
        caps=capped,
        minimum_topup=charged - for_use,
        over_escrow=charged - total,
        total=total,
        platform_fee=share(total, rules.platform_fee_bps),
        provider_reward=share(total, rules.provider_reward_bps),
        node_reward=share(total, rules.node_reward_bps),
    )


def _named(costs: Mapping[Component, int]) -> dict[str, int]:
    return {component.value: amount for component, amount in costs.items()}


def _sum(reductions: tuple[Reduction, ...]) -> int:
    return sum(reduction.amount for reduction in reductions)
