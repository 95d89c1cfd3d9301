"""The rates of a queue as customers read them. Pure."""

from collections.abc import Mapping

from provider_daemon.job.pricing import Pricing
from provider_daemon.money.fixed import ONE, text
from provider_daemon.money.pricing import price_rules
from provider_daemon.money.rules import DEFAULT


def rates(pricing: Pricing, multiplier: str) -> Mapping[str, str]:
    """Returns component -> price of one unit in that queue, as decimal text; `gpu_hour_<type>` by GPU type.

    A bill is computed from the same numbers. More than 18 decimal places are cut.
    """
    rules = price_rules(DEFAULT, pricing, multiplier)
    found = rules.rates
    units = {
        "cpu_core_hour": found.cpu_core_hour,
        "memory_gb_hour": found.memory_gb_hour,
        "gpu_hour": found.gpu_hour,
        **{f"gpu_hour_{name}": rate for name, rate in sorted(found.gpu_hour_by_type.items())},
        "storage_gb_hour": found.storage_gb_hour,
        "network_gb": found.network_gb,
        "node_hour": found.node_hour,
    }
    return {name: text(rate * rules.price_multiplier // ONE) for name, rate in units.items()}


def minimum_charge(pricing: Pricing) -> str:
    """Returns the least that a job costs which ran, in whole units of the offering's currency."""
    return str(price_rules(DEFAULT, pricing).minimum_charge)
