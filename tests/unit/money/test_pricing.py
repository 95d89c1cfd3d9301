"""An offering's prices in place of the default rates."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.pricing import DEFAULT_PRICES, Pricing, is_price
from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import bill
from provider_daemon.money.discounts import Discount, DiscountType
from provider_daemon.money.fixed import ONE, text
from provider_daemon.money.pricing import price_rules, prices_text, read_prices
from provider_daemon.money.quantities import quantities
from provider_daemon.money.rates import Component
from provider_daemon.money.rules import DEFAULT, Rules

HOUR = 3600
ALL = Usage(HOUR, HOUR, HOUR, HOUR, 1, 2**30, 0, 1, 1)  # one unit of each component

prices = st.integers(0, 10**24).map(text)
pricings = st.builds(
    Pricing, **{item.name: st.just("") | prices for item in fields(Pricing) if item.name != "currency"}
)
uses = st.builds(
    Usage,
    wall_clock_seconds=st.integers(0, 10**7),
    cpu_core_seconds=st.integers(0, 10**9),
    memory_gb_seconds=st.integers(0, 10**9),
    gpu_seconds=st.integers(0, 10**9),
    storage_gb_hours=st.integers(0, 10**6),
    network_bytes_in=st.integers(0, 10**15),
    network_bytes_out=st.integers(0, 10**15),
    node_hours=st.integers(0, 10**6),
    nodes_used=st.integers(0, 10**3),
)


def costs(usage: Usage, rules: Rules, gpu_type: str = "") -> list[int]:
    found = bill(usage, gpu_type, rules=rules)
    return [getattr(found, part) for part in Component]


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("cpu_core_hour", "cpu"),
        ("memory_gb_hour", "memory"),
        ("gpu_hour", "gpu"),
        ("storage_gb_hour", "storage"),
        ("network_gb", "network"),
        ("node_hour", "node"),
    ],
)
def test_a_price_replaces_its_own_rate_only(name: str, component: str) -> None:
    rules = price_rules(DEFAULT, Pricing(**{name: "7777"}))
    found, plain = bill(ALL, rules=rules), bill(ALL)
    for part in Component:
        assert getattr(found, part) == (7777 if part == component else getattr(plain, part))
    assert rules.minimum_charge == DEFAULT.minimum_charge


def test_without_prices_the_rules_are_as_they_were() -> None:
    """Whatever they are: rates, types, minimum and multiplier."""
    rules = replace(
        DEFAULT,
        rates=replace(DEFAULT.rates, cpu_core_hour=5, gpu_hour_by_type={"h100": 6}),
        minimum_charge=7,
        price_multiplier=8,
    )
    assert price_rules(rules, DEFAULT_PRICES) == rules


def test_a_gpu_price_is_that_of_every_type() -> None:
    """An A100's default rate does not remain beside it; without a GPU price, it does."""
    assert bill(ALL, "a100", rules=price_rules(DEFAULT, Pricing(gpu_hour="120000"))).gpu == 120_000
    assert bill(ALL, "a100", rules=price_rules(DEFAULT, Pricing(cpu_core_hour="1"))).gpu == 150_000


def test_a_price_of_nothing_is_a_price() -> None:
    assert costs(ALL, price_rules(DEFAULT, Pricing(cpu_core_hour="0", gpu_hour="0")), "a100")[::2] == [
        0,
        0,
        1_000,
    ]


@pytest.mark.parametrize(("written", "least"), [("0", 0), ("25000", 25_000), ("0.1", 1), ("3.5", 4)])
def test_the_minimum_is_whole(written: str, least: int) -> None:
    """A part of a uvirt cannot be charged: the minimum is never below the price."""
    assert price_rules(DEFAULT, Pricing(minimum_charge=written)).minimum_charge == least


@given(uses, pricings, st.integers(0, 100 * ONE))
def test_every_component_is_exact(usage: Usage, pricing: Pricing, multiplier: int) -> None:
    """Quantity x price x multiplier, truncated once: never more than the exact product, and less by under
    one uvirt."""
    rules = price_rules(DEFAULT, pricing, text(multiplier))
    hours, found = quantities(usage, 60), bill(usage, rules=rules)
    for part in hours:
        product = hours[part] * rules.rates.of(part, "") * multiplier
        charged = getattr(found, part)
        assert charged * ONE**3 <= product < (charged + 1) * ONE**3


@given(uses, pricings)
def test_one_is_no_multiplier(usage: Usage, pricing: Pricing) -> None:
    assert bill(usage, rules=price_rules(DEFAULT, pricing, "1")) == bill(
        usage, rules=price_rules(DEFAULT, pricing)
    )


def test_the_multiplier_leaves_minimum_and_reductions_alone() -> None:
    """It is a part of the price: discounts are shares of the multiplied cost."""
    rules = Rules(discounts=(Discount("all", DiscountType.BUNDLE, 1_000),))
    found = bill(ALL, rules=price_rules(rules, DEFAULT_PRICES, "2.5"))
    assert (found.cpu, found.node, found.discounts[0].amount) == (25_000, 125_000, found.subtotal // 10)
    assert (
        bill(Usage(60, 60), rules=price_rules(DEFAULT, DEFAULT_PRICES, "0.5")).total == DEFAULT.minimum_charge
    )


@given(uses, pricings, st.sampled_from(["0.5", "1", "1.5", "3"]))
def test_dearer_never_costs_less(usage: Usage, pricing: Pricing, multiplier: str) -> None:
    dear = price_rules(DEFAULT, pricing, "3")
    assert bill(usage, rules=price_rules(DEFAULT, pricing, multiplier)).total <= bill(usage, rules=dear).total


@pytest.mark.parametrize("written", ["x", "-1", "1e400", "nan"])
def test_what_is_no_price(written: str) -> None:
    assert not is_price(written)
    if written != "1e400":  # a number, but not one that a record may have
        with pytest.raises(ValueError, match="no decimal number"):
            price_rules(DEFAULT, Pricing(node_hour=written))


@given(pricings, st.just("") | prices, st.sampled_from(["", "uvirt"]))
def test_prices_can_be_read_back(pricing: Pricing, multiplier: str, currency: str) -> None:
    given_prices = replace(pricing, currency=currency)
    written = prices_text(given_prices, multiplier)
    assert read_prices(written) == (given_prices, multiplier)
    assert bool(written) == ((given_prices, multiplier) != (DEFAULT_PRICES, ""))


def test_prices_as_text() -> None:
    """Only what is set, without spaces."""
    assert prices_text(Pricing(cpu_core_hour="5"), "1.5") == '{"cpu_core_hour":"5","price_multiplier":"1.5"}'


def test_every_price_at_once() -> None:
    every = Pricing("1", "2", "3", "4", "5", "6", "7", "uvirt")
    assert read_prices(prices_text(every, "8")) == (every, "8")


@pytest.mark.parametrize(
    "written", ["{", "[]", '"x"', '{"price":"5"}', '{"node_hour":"x"}', '{"price_multiplier":"-1"}']
)
def test_prices_that_cannot_be_read(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_prices(written)
