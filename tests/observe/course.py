"""The course of one fault until every alert is silent again.

It records what fired and when, other alerts, and what the page showed.
"""

import time
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass, field

from tests.expect import Wrong
from tests.observe.faults import Fault, Place
from tests.waiting import until

# how long a fault lasts after its last alert, so that other alerts would show
HOLD_SECONDS = 5.0
PATIENCE_SECONDS = 100.0


@dataclass(slots=True)
class Row:
    """A row of the result.

    Seconds from the beginning of the fault to each alert, and from its repair to silence. `problems` is empty
    if all is well.
    """

    fault: Fault
    fired: dict[str, float] = field(default_factory=dict)
    silent_after: float = 0.0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Page:
    """The status page in a browser: whether it shows some words, and screenshots under a name."""

    says: Callable[[str], Awaitable[bool]]
    shoot: Callable[[str], Awaitable[None]]


async def course(place: Place, fault: Fault, page: Page, before: Set[str]) -> Row:
    """Runs one fault.

    `before` contains the alerts of earlier faults. By the unscaled rules some of these fire for an hour.
    """
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
    """Judges by Prometheus's record of the whole time.

    The alerts of the unscaled rules must be among the fault's.
    """
    fired = await place.stage.prometheus.fired(seconds)
    if others := sorted(fired - row.fault.fires.keys()):
        row.problems.append(f"fired and must not: {', '.join(others)}")
    if missing := sorted(row.fault.fires.keys() - fired):
        row.problems.append(f"did not fire: {', '.join(missing)}")
    if early := sorted(
        await place.stage.prometheus.fired(seconds, scaled=False) - row.fault.fires.keys() - before
    ):
        row.problems.append(f"fired by the real rules already, and must not: {', '.join(early)}")
