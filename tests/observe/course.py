"""One fault from its beginning until every alert is silent again: what fired and when, what else did, what
the page showed."""

import time
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass, field

from tests.expect import Wrong
from tests.observe.faults import Fault, Place
from tests.waiting import until

HOLD_SECONDS = 5.0  # how long a fault goes on after its last alert: what else it fires would show
PATIENCE_SECONDS = 100.0


@dataclass(slots=True)
class Row:
    """Seconds from the beginning of the fault to each alert, and from its mending to silence. `problems` is
    empty when all is well."""

    fault: Fault
    fired: dict[str, float] = field(default_factory=dict)
    silent_after: float = 0.0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """The status page in a browser: whether it says some words, and pictures of it under a name."""

    says: Callable[[str], Awaitable[bool]]
    shoot: Callable[[str], Awaitable[None]]


async def course(place: Place, fault: Fault, page: Page, before: Set[str]) -> Row:
    """`before`: what earlier faults fired. By the unscaled rules some of it goes on for an hour."""
    row, began = Row(fault), time.monotonic()
    try:
        await fault.begin(place)
        try:
            await _watch(
                place, row, began, lambda: fault.fires.keys() <= row.fired.keys(), "all its alerts fire"
            )
            held = time.monotonic()
            await _watch(place, row, began, lambda: time.monotonic() - held > HOLD_SECONDS, "it goes on")
            if not await page.says(fault.shows):
                row.problems.append(f"the status page does not say {fault.shows!r}")
            await page.shoot(fault.name)
        finally:
            await fault.end(place)
        await _silence(place, row)
    except (Wrong, TimeoutError, AssertionError) as error:
        row.problems.append(str(error))
    await _judge(place, row, time.monotonic() - began, before)
    return row


async def _watch(place: Place, row: Row, began: float, enough: Callable[[], bool], what: str) -> None:
    async def seen() -> bool:
        for name in await place.stage.prometheus.fires():
            row.fired.setdefault(name, time.monotonic() - began)
        return enough()

    try:
        await until(what, seen, PATIENCE_SECONDS)
    except Wrong:
        missing = sorted(row.fault.fires.keys() - row.fired.keys())
        raise Wrong(f"did not fire within {PATIENCE_SECONDS:g} s: {', '.join(missing)}") from None


async def _silence(place: Place, row: Row) -> None:
    mended = time.monotonic()

    async def silent() -> bool:
        return not await place.stage.prometheus.fires()

    await until("every alert has ended after the mending", silent, PATIENCE_SECONDS)
    row.silent_after = time.monotonic() - mended
    await place.settled(PATIENCE_SECONDS)


async def _judge(place: Place, row: Row, seconds: float, before: Set[str]) -> None:
    """By Prometheus's own record of the whole time; what the unscaled rules fired must be among it."""
    fired = await place.stage.prometheus.fired(seconds)
    if others := sorted(fired - row.fault.fires.keys()):
        row.problems.append(f"fired and must not: {', '.join(others)}")
    if missing := sorted(row.fault.fires.keys() - fired):
        row.problems.append(f"did not fire: {', '.join(missing)}")
    if early := sorted(
        await place.stage.prometheus.fired(seconds, scaled=False) - row.fault.fires.keys() - before
    ):
        row.problems.append(f"fired by the real rules already, and must not: {', '.join(early)}")
