"""Maintenance windows: when a cluster runs no jobs, or fewer. Pure.

A window is planned by an operator (`provd maintenance add`), or is a reservation in SLURM with the flag
MAINT. A job runs into a window if it could still be running when the window starts, and needs more nodes than
the window leaves. Such a job is refused at intake. One that was accepted before is held until the window is
over, because its customer was promised a run and has paid for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Reservation:
    """A reservation in SLURM. Times are in seconds since the epoch; `nodes` is how many it covers.

    `maintenance`: it has the flag MAINT.
    """

    name: str
    starts_at: int
    ends_at: int
    nodes: int
    maintenance: bool


class WindowSource(StrEnum):
    OPERATOR = "operator"
    SLURM = "slurm"


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window. Times are in seconds since the epoch; `ends_at` is after `starts_at`.

    `nodes_left`: how many nodes still run jobs. `reason`: the operator's, or the name of the reservation.
    `id`: its number in the ledger, 0 before it is stored.
    """

    source: WindowSource
    starts_at: int
    ends_at: int
    nodes_left: int = 0
    reason: str = ""
    id: int = 0

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        return f"maintenance from {utc(self.starts_at)} to {utc(self.ends_at)}{reason}"


def utc(seconds: int) -> str:
    """Formats a time for people: `2026-12-01 08:00 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def of_reservations(reservations: Iterable[Reservation], nodes: int) -> tuple[Window, ...]:
    """Returns the windows that SLURM has reserved, of a site with `nodes` nodes."""
    return tuple(
        Window(WindowSource.SLURM, each.starts_at, each.ends_at, max(0, nodes - each.nodes), each.name)
        for each in reservations
        if each.maintenance and each.nodes
    )


def in_the_way(windows: Iterable[Window], nodes: int, seconds: int, now: float) -> Window | None:
    """Returns the first window that a job of `nodes` nodes and `seconds` would run into if it started now."""
    met = [
        window
        for window in windows
        if window.starts_at < now + seconds and now < window.ends_at and nodes > window.nodes_left
    ]
    return min(met, key=lambda window: window.starts_at, default=None)


def refusal(window: Window, seconds: int, now: float) -> str:
    """Returns the reason for the customer whose job of `seconds` is refused now, and what fits."""
    after = f"submit it after {utc(window.ends_at)}"
    if now >= window.starts_at:
        return f"{window}: the cluster starts no such job before its end; {after}"
    rest = int(window.starts_at - now)
    return (
        f"{window}: a job of {seconds} s would run into it; request at most {rest // 60 * 60} s of run time, "
        f"or {after}"
    )
