"""A copy of the alerts with every time shortened by one factor, for a test that cannot wait for half an hour.

It is pure. Scaled are each `for`, each range of a rate or an increase, and the thresholds that are seconds of
waiting (AGES). Not scaled are thresholds that count or that measure the site (a runway, a latency), and
UNSCALED: what the daemon does by its own clock, which cannot be shortened. So an alert that counts events in
a window needs more of them per second here than at a site.
"""

import re
from typing import Any

from tests.observe.files import alerts, rules

FACTOR = 20
MARK = "scaled"  # the label that distinguishes the copy's alerts from the real ones
AGES = {
    "ProvdChainHeightStale": 120,
    "ProvdReportWaiting": 300,
    "ProvdOutboxStuck": 600,
    "ProvdSlurmStale": 300,
}
UNSCALED = {
    "ProvdReconciliationStale": "the daemon compares once an hour",
    "ProvdMoverNotReady": "no data mover runs beside the observed daemon",
    "ProvdGatewayCertificateExpiring": "no gateway runs beside the observed daemon",
    "ProvdCollectorCertificateExpiring": "no collector runs beside the observed daemon",
}

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TIME = r"(\d+)([smhd])"


def scaled(factor: int) -> dict[str, Any]:
    """Returns the scaled rule file.

    Each alert has the factor as a label, and recorded series are replaced with their expressions.
    """
    return {"groups": [{"name": "provd-alerts-scaled", "rules": [_alert(rule, factor) for rule in alerts()]}]}


def _alert(rule: dict[str, Any], factor: int) -> dict[str, Any]:
    name, made = rule["alert"], {**rule, "labels": {**rule["labels"], MARK: str(factor)}}
    if name in UNSCALED:
        return made
    expression = re.sub(
        rf"\[{_TIME}\]", lambda found: f"[{_shorter(found[1], found[2], factor)}]", _written_out(rule["expr"])
    )
    if name in AGES:
        expression = re.sub(rf"> {AGES[name]}\b", f"> {AGES[name] / factor:g}", expression)
    if "for" in rule:
        made["for"] = re.sub(_TIME, lambda found: _shorter(found[1], found[2], factor), rule["for"])
    return {**made, "expr": expression}


def _written_out(expression: str) -> str:
    """Returns the expression of a recorded series.

    A recorded series has the windows of its own rule, so its expression replaces it.
    """
    for rule in rules():
        expression = expression.replace(rule["record"], f"({rule['expr']})")
    return expression


def _shorter(number: str, unit: str, factor: int) -> str:
    return f"{round(int(number) * _UNITS[unit] * 1000 / factor)}ms"
