"""The output of `provd bill`: text lines and JSON documents."""

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provider_daemon.money.documents import Use
    from provider_daemon.money.explain import Explanation
    from provider_daemon.money.rules import Rules

WIDTH = 80
UNITS = {
    "cpu": "core-hours",
    "memory": "GB-hours",
    "gpu": "GPU-hours",
    "storage": "GB-hours",
    "network": "GB",
    "node": "node-hours",
}


def estimate_document(use: "Use", rules: "Rules") -> dict[str, Any]:
    from provider_daemon.money.bill import bill
    from provider_daemon.money.fixed import ONE, text
    from provider_daemon.money.quantities import quantities

    hours = quantities(use.usage, rules.granularity_seconds, use.node_hours)
    cost = bill(use.usage, use.gpu_type, node_hours=use.node_hours, rules=rules, purchase=use.purchase)
    return {
        "denom": "uvirt",
        "quantities": {part: text(quantity) for part, quantity in hours.items()},
        "rates": {
            part: text(rules.rates.of(part, use.gpu_type) * rules.price_multiplier // ONE) for part in hours
        },
        **asdict(cost),
        "remainder": cost.remainder,
        "platform_fee_percent": text(rules.platform_fee_bps * ONE // 100),
        "provider_reward_percent": text(rules.provider_reward_bps * ONE // 100),
        "node_reward_percent": text(rules.node_reward_bps * ONE // 100),
    }


def estimate_lines(found: dict[str, Any]) -> Iterator[str]:
    row = "{:<16}{:>26} {:<11}{:>10}{:>16}".format
    yield row("", "quantity", "", "uvirt/unit", "uvirt")
    for part, unit in UNITS.items():
        yield row(part, found["quantities"][part], unit, found["rates"][part], found[part])
    yield row("subtotal", "", "", "", found["subtotal"])
    for what in ("discounts", "caps"):
        for taken in found[what]:
            yield row(what.removesuffix("s"), taken["rule_id"], taken["type"], "", -taken["amount"])
        if what == "discounts" and found["queue_credit"]:
            yield row("queue-time credit", "", "", "", -found["queue_credit"])
    if found["minimum_topup"]:
        yield row("minimum charge", "", "", "", found["minimum_topup"])
    yield row("total", "", "", "", found["total"])
    for name in ("platform_fee", "provider_reward", "node_reward"):
        if found[name] or name != "node_reward":
            yield row(name.replace("_", " "), f"{found[f'{name}_percent']}%", "", "", found[name])
    yield row("remainder", "", "", "", found["remainder"])


def explanation_document(job_id: str, found: "Explanation") -> dict[str, Any]:
    return {
        "job_id": job_id,
        "components": [asdict(line) for line in found.lines],
        "billed_on": _basis(found),
        "wall_clock_seconds": found.wall_seconds,
        "billed_seconds": found.billed_seconds,
        "step_seconds": found.step_seconds,
        **{name: value for name, value in asdict(found.cost).items() if name not in UNITS},
        "charged": found.charged,
        "agrees": found.agrees,
    }


def _basis(found: "Explanation") -> str:
    if found.by_request:
        return (
            "the requested resources until it was cancelled or timed out, because no final report was "
            "included"
        )
    return (
        "an estimate, because the chain has not settled the job"
        if found.charged is None
        else "the reported usage"
    )


def explanation_lines(job_id: str, found: "Explanation") -> Iterator[str]:
    """Yields lines of at most 80 columns, but for amounts beyond 14 digits."""
    row = "{:<9}{:<13}{:>15}{:>14}{:>14}{:>14}".format
    yield from _wrapped(
        f"{job_id}: the bill is based on {_basis(found)}"
        if found.charged is not None
        else f"{job_id}: the bill is {_basis(found)}"
    )
    yield row("", "", "SLURM measured", "reported", "billed on", "uvirt")
    for line in found.lines:
        shown = ["-" if value is None else value for value in (line.measured, line.reported, line.billed)]
        yield row(line.component, line.unit, *shown, line.amount)
    if found.wall_seconds:
        yield from _wrapped(
            f"time is billed in steps of {found.step_seconds} s: {found.wall_seconds} s as "
            f"{found.billed_seconds} s, core-, memory- and GPU-seconds in proportion"
        )
    cost = found.cost
    for name, amount in (
        ("subtotal", cost.subtotal),
        ("minimum charge", cost.minimum_topup),
        ("over the escrow", -cost.over_escrow),
        ("total", cost.total),
        ("platform fee", cost.platform_fee),
        ("provider reward", cost.provider_reward),
    ):
        yield f"{name:<65}{amount:>14}"
    if not found.agrees:
        yield from _wrapped(
            f"the chain charged {found.charged} uvirt, but the offering's prices give {cost.total} uvirt: "
            "the chain uses other billing rules, or the offering had other prices at submission"
        )


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, WIDTH, break_long_words=False, break_on_hyphens=False)
