"""The five kinds of cap: what the period has left is the most that is billed for use (docs/billing.md,
'Caps').

A period is the time just before the moment of billing, not a calendar day or month.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from provider_daemon.money.discounts import Reduction
from provider_daemon.money.fixed import Amount
from provider_daemon.money.purchase import Past, Purchase


class CapType(StrEnum):
    PER_JOB = "per_job"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    TOTAL = "total"


DAY = 86_400
PERIODS = {CapType.DAILY: DAY, CapType.WEEKLY: 7 * DAY, CapType.MONTHLY: 30 * DAY}


@dataclass(frozen=True, slots=True)
class Cap:
    """`amount` in uvirt; `period_seconds` in place of the kind's own; `per_cluster` counts only what was
    spent on the job's cluster."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    cap_id: str
    type: CapType
    amount: Amount
    name: str = ""
    period_seconds: Amount = 0
    per_cluster: bool = False
    active: bool = True


def caps(rules: Sequence[Cap], amount: int, purchase: Purchase) -> tuple[Reduction, ...]:
    """What each takes off `amount`, in the order of the rules."""
    taken = []
    for cap in rules:
        over = max(0, amount - _left(cap, purchase)) if cap.active else 0
        amount -= over
        taken.append(Reduction(cap.cap_id, cap.name, cap.type, over))
    return tuple(reduction for reduction in taken if reduction.amount)


def _left(cap: Cap, purchase: Purchase) -> int:
    if cap.type is CapType.PER_JOB:
        return cap.amount
    jobs = purchase.on_this_cluster() if cap.per_cluster else purchase.past
    return max(0, cap.amount - sum(job.total for job in jobs if _counts(job, cap, purchase)))


def _counts(job: Past, cap: Cap, purchase: Purchase) -> bool:
    """A cap in total without a period counts everything."""
    period = cap.period_seconds or PERIODS.get(cap.type, 0)
    return not period or job.ended_at > purchase.ended_at - period
