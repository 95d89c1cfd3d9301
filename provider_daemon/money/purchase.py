"""What determines a price besides usage: customer, cluster, time, and earlier purchases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict

from provider_daemon.job.usage import SECONDS_PER_HOUR, Usage
from provider_daemon.money.fixed import Amount, ratio


def _known(value: Any) -> Any:
    """Rejects unknown names: a misspelt one would be ignored, and the history would be empty."""
    unknown = set(value) - {field.name for field in fields(Usage)} if isinstance(value, Mapping) else set()
    if unknown:
        raise ValueError(f"unknown field of HPCUsageMetrics: {', '.join(sorted(unknown))}")
    return value


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier, billed job.

    `ended_at` is in seconds since the epoch, `total` in uvirt; `discounts` are the ids of the rules that it
    used.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    ended_at: Amount = 0
    cluster_id: str = ""
    usage: Annotated[Usage, BeforeValidator(_known)] = field(default_factory=Usage)
    total: Amount = 0
    discounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Purchase:
    """The sale of a job. `customer` is an address.

    `ended_at` (the moment of billing) is in seconds since the epoch; `queued_seconds` is the time from queued
    to running.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    customer: str = ""
    cluster_id: str = ""
    ended_at: Amount = 0
    queued_seconds: Amount = 0
    codes: frozenset[str] = frozenset()
    past: tuple[Past, ...] = ()

    def on_this_cluster(self) -> tuple[Past, ...]:
        return tuple(job for job in self.past if job.cluster_id == self.cluster_id)

    def uses(self, rule_id: str) -> int:
        """Returns how many of the customer's jobs used that discount."""
        return sum(rule_id in job.discounts for job in self.past)


UNKNOWN = Purchase()  # a customer without code and history

MEASURES: dict[str, Callable[[Usage], int]] = {
    "cpu_core_hours": lambda usage: ratio(usage.cpu_core_seconds, SECONDS_PER_HOUR),
    "gpu_hours": lambda usage: ratio(usage.gpu_seconds, SECONDS_PER_HOUR),
    "node_hours": lambda usage: ratio(usage.node_hours, 1),
}


def bought(jobs: tuple[Past, ...], unit: str) -> int:
    """Returns the hours of that unit over all jobs, in fixed point."""
    return sum(MEASURES[unit](job.usage) for job in jobs)
