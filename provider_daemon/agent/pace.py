"""How often a node agent measures: never more often than `least`, and less often on a busy node. Pure.

The intervals are those of the published agent's protocol (docs/agent.md, 'Sampling').
"""

from dataclasses import dataclass

# The node's own work comes first: above this share of its processors' time, in percent, agents measure less.
BUSY_PERCENT, BUSY_FACTOR = 75, 1.5
BUSIEST_PERCENT, BUSIEST_FACTOR = 90, 2.0
CHANGED_FACTOR = 0.5


@dataclass(frozen=True, slots=True)
class Interval:
    """Seconds between two measurements."""

    least: float
    usual: float


CAPACITY = HEALTH = Interval(10, 30)
UTILIZATION = GPU = Interval(5, 15)
JOBS = TEMPERATURE = Interval(30, 60)
LATENCY = Interval(60, 300)


def seconds(interval: Interval, cpu_percent: int, *, changed: bool = False) -> float:
    """Returns the time until the next measurement. `changed`: the node's state changed at the last one."""
    factor = (
        BUSIEST_FACTOR
        if cpu_percent > BUSIEST_PERCENT
        else BUSY_FACTOR
        if cpu_percent > BUSY_PERCENT
        else 1.0
    )
    return max(interval.least, interval.usual * factor * (CHANGED_FACTOR if changed else 1.0))
