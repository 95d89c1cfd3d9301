"""Applies an offering's prices and a queue's price multiplier to the rules (docs/billing.md, 'Prices')."""

import json
from dataclasses import asdict, fields, replace

from provider_daemon.job.pricing import Pricing, is_price
from provider_daemon.money.fixed import ONE, parse
from provider_daemon.money.rates import Rates
from provider_daemon.money.rules import Rules

MULTIPLIER = "price_multiplier"


def price_rules(rules: Rules, pricing: Pricing, multiplier: str = "") -> Rules:
    """Returns the rules by which a job of this offering and queue is billed.

    A price replaces the default rate of its component, and the GPU price also the rates of GPU types; the
    multiplier applies to every component, not to the minimum charge. Raises ValueError for a text that is no
    decimal number from 0 on.
    """
    rates, gpu = rules.rates, pricing.gpu_hour
    return replace(
        rules,
        rates=Rates(
            cpu_core_hour=_or(pricing.cpu_core_hour, rates.cpu_core_hour),
            memory_gb_hour=_or(pricing.memory_gb_hour, rates.memory_gb_hour),
            gpu_hour=_or(gpu, rates.gpu_hour),
            gpu_hour_by_type={} if gpu else rates.gpu_hour_by_type,
            storage_gb_hour=_or(pricing.storage_gb_hour, rates.storage_gb_hour),
            network_gb=_or(pricing.network_gb, rates.network_gb),
            node_hour=_or(pricing.node_hour, rates.node_hour),
        ),
        minimum_charge=_rounded_up(_or(pricing.minimum_charge, rules.minimum_charge * ONE)),
        price_multiplier=_or(multiplier, rules.price_multiplier),
    )


def prices_text(pricing: Pricing, multiplier: str) -> str:
    """Returns the prices that differ from the defaults as a JSON object; "" if none does."""
    given = {name: text for name, text in {**asdict(pricing), MULTIPLIER: multiplier}.items() if text}
    return json.dumps(given, separators=(",", ":")) if given else ""


def read_prices(text: str) -> tuple[Pricing, str]:
    """Reads `prices_text`: prices and multiplier. Raises ValueError for anything else."""
    given = json.loads(text) if text else {}
    names = {MULTIPLIER, *(item.name for item in fields(Pricing))}
    if not isinstance(given, dict) or not given.keys() <= names:
        raise ValueError("the prices of an offering have other fields")
    prices = {name: str(value) for name, value in given.items()}
    wrong = [name for name, value in prices.items() if name != "currency" and not is_price(value)]
    if wrong:
        raise ValueError(f"invalid prices: {', '.join(wrong)}")
    multiplier = prices.pop(MULTIPLIER, "")
    return Pricing(**prices), multiplier


def _or(text: str, default: int) -> int:
    return parse(text) if text else default


def _rounded_up(amount: int) -> int:
    """Returns whole uvirt that are not less than the amount in fixed point."""
    return -(-amount // ONE)
