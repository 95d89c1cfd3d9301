"""The five kinds of discount."""

from dataclasses import replace

import pytest

from provider_daemon.job.usage import Usage
from provider_daemon.money.discounts import Discount, DiscountType, Reduction, discounts
from provider_daemon.money.fixed import ONE
from provider_daemon.money.purchase import Past, Purchase
from provider_daemon.money.rates import Component

HOUR = 3600
COSTS = dict(zip(Component, [40_000, 30_000, 20_000, 0, 1_000, 9_000], strict=True))  # 100,000
HOURS = dict.fromkeys(Component, 4 * ONE)
VOLUME = Discount("v100", DiscountType.VOLUME, 500, name="from 100", threshold_value=100 * ONE)
LOYALTY = Discount("l", DiscountType.LOYALTY, 500, threshold_value=100 * ONE)
BUNDLE = Discount("b", DiscountType.BUNDLE, 500, threshold_value=4 * ONE)
PROMO = Discount("p", DiscountType.PROMO, 500, code="SPRING")
PARTNER = Discount("q", DiscountType.PARTNER, 500, code="ve1partner")


def past(cpu_hours: int = 0, **values: object) -> Past:
    return Past(usage=Usage(cpu_core_seconds=cpu_hours * HOUR), **values)  # type: ignore[arg-type]


def buyer(*jobs: Past, **values: object) -> Purchase:
    return Purchase(past=jobs, **values)  # type: ignore[arg-type]


def taken(rule: Discount, purchase: Purchase) -> int:
    return sum(reduction.amount for reduction in discounts([rule], COSTS, HOURS, purchase))


def test_volume() -> None:
    """The history reaches the threshold: that share of the cpu cost. This job does not count towards it."""
    assert discounts([VOLUME], COSTS, HOURS, buyer(past(99), past(1))) == (
        Reduction("v100", "from 100", "volume", 2_000),
    )
    assert taken(VOLUME, buyer(past(99))) == 0
    assert taken(VOLUME, buyer()) == 0


@pytest.mark.parametrize(
    ("unit", "usage"),
    [
        ("cpu_core_hours", Usage(cpu_core_seconds=100 * HOUR)),
        ("gpu_hours", Usage(gpu_seconds=100 * HOUR)),
        ("node_hours", Usage(node_hours=100)),
    ],
)
def test_units_of_the_threshold(unit: str, usage: Usage) -> None:
    """Each counts its own resource and no other."""
    for other in ("cpu_core_hours", "gpu_hours", "node_hours"):
        rule = replace(VOLUME, threshold_unit=other)
        assert taken(rule, buyer(Past(usage=usage))) == (2_000 if other == unit else 0)


def test_the_best_step_of_a_ladder_counts() -> None:
    """5% from 100 core-hours, 10% from 1,000: one or the other, in whatever order they are written; another
    unit is another ladder."""
    more = replace(VOLUME, rule_id="v1000", basis_points=1_000, threshold_value=1_000 * ONE)
    gpu = replace(VOLUME, rule_id="g", threshold_unit="gpu_hours", threshold_value=0, basis_points=100)
    rich = buyer(past(1_000))
    for rules in ([VOLUME, more], [more, VOLUME]):
        assert [(kept.rule_id, kept.amount) for kept in discounts(rules, COSTS, HOURS, rich)] == [
            ("v1000", 4_000)
        ]
        assert [kept.rule_id for kept in discounts(rules, COSTS, HOURS, buyer(past(999)))] == ["v100"]
    assert [kept.amount for kept in discounts([VOLUME, gpu, more], COSTS, HOURS, rich)] == [4_000, 400]


def test_loyalty() -> None:
    """Only the history on this job's cluster, and off the whole bill."""
    here, elsewhere = past(100, cluster_id="HPC-1"), past(100, cluster_id="HPC-2")
    assert taken(LOYALTY, buyer(here, cluster_id="HPC-1")) == 5_000
    assert taken(LOYALTY, buyer(elsewhere, cluster_id="HPC-1")) == 0


def test_bundle() -> None:
    """This job is large enough, and costs something in each of the components that it applies to."""
    assert taken(BUNDLE, buyer()) == 5_000
    assert taken(replace(BUNDLE, threshold_value=4 * ONE + 1), buyer(past(10**6))) == 0
    assert taken(replace(BUNDLE, applies_to=(Component.CPU, Component.GPU)), buyer()) == 3_000
    assert taken(replace(BUNDLE, applies_to=(Component.CPU, Component.STORAGE)), buyer()) == 0
    few = {**HOURS, Component.GPU: ONE}
    assert discounts([replace(BUNDLE, threshold_unit="gpu_hours")], COSTS, few, buyer()) == ()


def test_promo_needs_its_code() -> None:
    """One without a code can be used by nobody; two with codes add up."""
    assert taken(PROMO, buyer(codes=frozenset({"SPRING"}))) == 5_000
    assert taken(PROMO, buyer(codes=frozenset({"AUTUMN"}))) == 0
    assert taken(PROMO, buyer(customer="SPRING")) == 0
    assert taken(replace(PROMO, code=""), buyer(codes=frozenset({""}))) == 0
    twice = discounts([PROMO, replace(PROMO, rule_id="p2")], COSTS, HOURS, buyer(codes=frozenset({"SPRING"})))
    assert [reduction.amount for reduction in twice] == [5_000, 5_000]


def test_partner_is_known_by_address_or_code() -> None:
    assert taken(PARTNER, buyer(customer="ve1partner")) == 5_000
    assert taken(PARTNER, buyer(codes=frozenset({"ve1partner"}))) == 5_000
    assert taken(PARTNER, buyer(customer="ve1other")) == 0
    assert taken(replace(PARTNER, code=""), buyer()) == 0


def test_any_kind_can_ask_for_a_code() -> None:
    rule = replace(VOLUME, code="BIG")
    assert taken(rule, buyer(past(100))) == 0
    assert taken(rule, buyer(past(100), codes=frozenset({"BIG"}))) == 2_000
    assert taken(rule, buyer(past(100), customer="BIG")) == 0


@pytest.mark.parametrize(("moment", "amount"), [(9, 0), (10, 5_000), (19, 5_000), (20, 0)])
def test_time_of_validity(moment: int, amount: int) -> None:
    """From valid_from on, until just before valid_until."""
    rule = replace(BUNDLE, valid_from=10, valid_until=20)
    assert taken(rule, buyer(ended_at=moment)) == amount
    assert taken(replace(rule, valid_until=0), buyer(ended_at=10**12)) == 5_000


def test_uses_run_out() -> None:
    """Counted in the customer's own past; 0 is any number."""
    rule = replace(BUNDLE, max_uses_per_customer=2)
    used = past(discounts=("b", "x"))
    assert taken(rule, buyer(used, past(discounts=("x",)))) == 5_000
    assert taken(rule, buyer(used, used)) == 0
    assert taken(replace(rule, max_uses_per_customer=0), buyer(used, used)) == 5_000


def test_inactive() -> None:
    assert taken(replace(BUNDLE, active=False), buyer()) == 0


def test_applies_to() -> None:
    """The components named, each once."""
    assert taken(replace(BUNDLE, applies_to=(Component.CPU, Component.CPU)), buyer()) == 2_000
    assert taken(replace(VOLUME, applies_to=(Component.MEMORY, Component.NODE)), buyer(past(100))) == 1_950


def test_together_never_more_than_the_costs() -> None:
    """The last one that finds something left takes only that; one that takes nothing is not named."""
    rules = [replace(PROMO, rule_id=name, basis_points=6_000) for name in ("a", "b", "c")]
    found = discounts(rules, COSTS, HOURS, buyer(codes=frozenset({"SPRING"})))
    assert [(reduction.rule_id, reduction.amount) for reduction in found] == [("a", 60_000), ("b", 40_000)]
