"""The five kinds of cap, which limit what is billed for use in a period (docs/billing.md, 'Caps').

A period ends at the moment of billing; it is not a calendar day or month.
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
    """A cap of `amount` uvirt.

    `period_seconds` replaces the kind's own period. `per_cluster` counts only what was spent on the job's
    cluster.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    cap_id: str
    type: CapType
    amount: Amount
    name: str = ""
    period_seconds: Amount = 0
    per_cluster: bool = False
    active: bool = True


def caps(rules: Sequence[Cap], amount: int, purchase: Purchase) -> tuple[Reduction, ...]:
    """Returns what each cap takes off `amount`, in the order of the rules."""
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
    """Returns whether the job is in the cap's period. A total cap without a period counts every job."""
    period = cap.period_seconds or PERIODS.get(cap.type, 0)
    return not period or job.ended_at > purchase.ended_at - period
