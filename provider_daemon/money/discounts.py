"""The five kinds of discount (docs/billing.md, 'Discounts').

- volume: the customer's history reaches the threshold; off the cpu cost, unless applies_to names others
- loyalty: the history on this cluster reaches the threshold
- bundle: this job itself reaches the threshold, and has a cost in each component of applies_to
- promo: the customer gave its code
- partner: its code is the customer's own address, or the customer gave it

Any rule can have a code, a validity period and a number of uses. Of volume, loyalty and bundle rules that
differ only in threshold and rate, the best one counts: "5% from 100 core-hours, 10% from 1,000" is 10% at
1,000, not 15%.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import ConfigDict

from provider_daemon.money.fixed import Amount, BasisPoints, Decimal18, share
from provider_daemon.money.purchase import Purchase, bought
from provider_daemon.money.rates import Component

Unit = Literal["cpu_core_hours", "gpu_hours", "node_hours"]

COMPONENT_OF: Mapping[Unit, Component] = {
    "cpu_core_hours": Component.CPU,
    "gpu_hours": Component.GPU,
    "node_hours": Component.NODE,
}


class DiscountType(StrEnum):
    VOLUME = "volume"
    LOYALTY = "loyalty"
    PROMO = "promo"
    BUNDLE = "bundle"
    PARTNER = "partner"


BY_CODE = frozenset({DiscountType.PROMO, DiscountType.PARTNER})


@dataclass(frozen=True, slots=True)
class Discount:
    """A discount, valid from `valid_from` until just before `valid_until` (epoch seconds, 0: no end).

    `threshold_value` is in fixed point. An empty `applies_to` means the kind's usual components;
    `max_uses_per_customer` 0 means any number.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    rule_id: str
    type: DiscountType
    basis_points: BasisPoints
    name: str = ""
    threshold_value: Decimal18 = 0
    threshold_unit: Unit = "cpu_core_hours"
    applies_to: tuple[Component, ...] = ()
    code: str = ""
    valid_from: Amount = 0
    valid_until: Amount = 0
    max_uses_per_customer: Amount = 0
    active: bool = True

    @property
    def components(self) -> tuple[Component, ...]:
        usual = (Component.CPU,) if self.type is DiscountType.VOLUME else tuple(Component)
        return self.applies_to or usual

    @property
    def ladder(self) -> tuple[object, ...]:
        """The key of rules of which only the best counts. Rules with a code of their own never share one."""
        alone = self.rule_id if self.type in BY_CODE else ""
        return (self.type, self.threshold_unit, frozenset(self.components), self.code, alone)


@dataclass(frozen=True, slots=True)
class Reduction:
    """The reduction by a discount or a cap, in uvirt."""

    rule_id: str
    name: str
    type: str
    amount: int


def discounts(
    rules: Sequence[Discount],
    costs: Mapping[Component, int],
    hours: Mapping[Component, int],
    purchase: Purchase,
) -> tuple[Reduction, ...]:
    """Returns the discounts in the order of the rules; together at most the costs.

    `hours`: this job's quantities, in fixed point.
    """
    best: dict[tuple[object, ...], Discount] = {}
    for rule in rules:
        if _open_to(rule, purchase) and _earned(rule, costs, hours, purchase):
            best[rule.ladder] = max(
                best.get(rule.ladder, rule), rule, key=lambda candidate: candidate.basis_points
            )
    left, taken = sum(costs.values()), []
    for rule in best.values():
        amount = min(
            left, share(sum(costs[component] for component in frozenset(rule.components)), rule.basis_points)
        )
        left -= amount
        taken.append(Reduction(rule.rule_id, rule.name, rule.type, amount))
    return tuple(reduction for reduction in taken if reduction.amount)


def _open_to(rule: Discount, purchase: Purchase) -> bool:
    """Returns whether the discount is in force, has its code, and is not used up."""
    in_time = rule.valid_from <= purchase.ended_at and (
        not rule.valid_until or purchase.ended_at < rule.valid_until
    )
    has_code = rule.code in purchase.codes or (
        rule.type is DiscountType.PARTNER and rule.code == purchase.customer
    )
    used_up = rule.max_uses_per_customer and purchase.uses(rule.rule_id) >= rule.max_uses_per_customer
    return rule.active and in_time and not used_up and (has_code if rule.code else rule.type not in BY_CODE)


def _earned(
    rule: Discount, costs: Mapping[Component, int], hours: Mapping[Component, int], purchase: Purchase
) -> bool:
    if rule.type in BY_CODE:
        return True
    if rule.type is DiscountType.BUNDLE:
        return hours[COMPONENT_OF[rule.threshold_unit]] >= rule.threshold_value and all(
            costs[part] for part in rule.applies_to
        )
    jobs = purchase.past if rule.type is DiscountType.VOLUME else purchase.on_this_cluster()
    return bought(jobs, rule.threshold_unit) >= rule.threshold_value
