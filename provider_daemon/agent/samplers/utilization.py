"""How busy a node was between two readings. Pure."""

from collections.abc import Mapping

from provider_daemon.agent.samplers.proc import CpuTime, Traffic

BYTES_PER_MEGABIT = 125_000


def cpu_percent(before: CpuTime, after: CpuTime) -> int:
    return percent(after.busy - before.busy, after.total - before.total)


def disk_percent(before: Mapping[str, int], after: Mapping[str, int], seconds: float) -> int:
    """Returns the share of time for which the busiest disk was busy, from milliseconds of each."""
    spent = (busy - before[name] for name, busy in after.items() if name in before)
    return percent(max(spent, default=0), seconds * 1000)


def network_percent(
    before: Mapping[str, Traffic], after: Mapping[str, Traffic], speeds: Mapping[str, int], seconds: float
) -> int:
    """Returns the load of the busiest interface in its busier direction. `speeds`: in megabits a second."""
    shares = (
        percent(max(after[name].received - first.received, after[name].sent - first.sent), most * seconds)
        for name, first in before.items()
        if name in after and (most := speeds.get(name, 0) * BYTES_PER_MEGABIT) > 0
    )
    return max(shares, default=0)


def percent(part: float, whole: float) -> int:
    """Returns 0 to 100, and 0 if the whole is not known yet or a counter started again."""
    return round(100 * min(1.0, max(0.0, part / whole))) if whole > 0 else 0
