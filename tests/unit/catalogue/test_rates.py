"""The rates that customers read are those that bills use."""

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.catalogue.rates import minimum_charge, rates
from provider_daemon.job.pricing import Pricing
from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import bill
from provider_daemon.money.fixed import ONE, parse
from provider_daemon.money.pricing import price_rules
from provider_daemon.money.rules import DEFAULT

AMOUNTS = st.decimals(0, 10**6, places=2, allow_nan=False).map(str)


def test_default_rates() -> None:
    assert rates(Pricing(), "") == {
        "cpu_core_hour": "10000",
        "memory_gb_hour": "5000",
        "gpu_hour": "100000",
        "gpu_hour_a100": "150000",
        "storage_gb_hour": "100",
        "network_gb": "1000",
        "node_hour": "50000",
    }
    assert minimum_charge(Pricing()) == "10000"


def test_prices_of_an_offering_and_a_queue() -> None:
    """A price replaces the default, the GPU price every type's, and the multiplier multiplies all."""
    found = rates(Pricing(cpu_core_hour="12000.5", gpu_hour="7"), "1.5")
    assert (found["cpu_core_hour"], found["gpu_hour"], found["node_hour"]) == ("18000.75", "10.5", "75000")
    assert "gpu_hour_a100" not in found
    assert minimum_charge(Pricing(minimum_charge="20.5")) == "21"


@given(AMOUNTS, AMOUNTS)
def test_an_hour_of_a_core_costs_what_the_catalogue_says(price: str, multiplier: str) -> None:
    """To the uvirt, before the minimum."""
    pricing = Pricing(cpu_core_hour=price)
    made = bill(
        Usage(wall_clock_seconds=3600, cpu_core_seconds=3600),
        "",
        rules=price_rules(DEFAULT, pricing, multiplier),
    )
    assert made.subtotal == parse(rates(pricing, multiplier)["cpu_core_hour"]) // ONE
