"""Runs a loop: one tick, then a wait for the period or a poke, then the next tick."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from provider_daemon.errors import LedgerError, ProvdError, Transient
from provider_daemon.metrics.activity import Activity, current
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock

log = structlog.get_logger("provd.loop")

_NUMBER = re.compile(r"\d+")


@dataclass(slots=True)
class Loop:
    """A named periodic task and its state.

    `last_success` and `tick_since` are in seconds since the epoch: the end of the last successful tick, and
    the start of the tick in progress; 0 for none. Readiness, metrics and the watchdog read them and
    `failure`. `failures` decides which failures are logged. `stalled` returns why successful ticks get
    nothing done, or ''. `ticks` counts completed ticks. `activity` shows progress within a tick. `ended` is
    set when no tick will follow.

    A poke only shortens a wait. Polling alone is sufficient for correctness.
    """

    name: str
    period: float
    tick: Callable[[], Awaitable[None]]
    poke: asyncio.Event = field(default_factory=asyncio.Event)
    last_success: float = 0.0
    tick_since: float = 0.0
    failure: str = ""
    failures: OngoingProblems = field(default_factory=OngoingProblems)
    ticks: int = 0
    activity: Activity = field(default_factory=Activity)
    ended: bool = False
    stalled: Callable[[float], str] = lambda now: ""

    def dead(self, now: float) -> str:
        """Returns why the loop is dead, or '' if it is alive. A failed tick does not make a loop dead."""
        if self.ended:
            return "the loop has ended"
        stuck = bool(self.tick_since) and self.activity.stuck(self.tick_since, now)
        return f"no progress in a tick that began {now - self.tick_since:.0f} s ago" if stuck else ""


async def run_periodically(loop: Loop, clock: Clock, stop: asyncio.Event) -> None:
    """Runs until `stop` is set and the tick has ended. A LedgerError ends the daemon."""
    try:
        while not stop.is_set():
            loop.poke.clear()
            await run_once(loop, clock)
            await _wait(loop, stop)
    finally:
        loop.ended = True


async def run_once(loop: Loop, clock: Clock) -> None:
    """Runs one tick. A failure is logged with rate limiting, and the next tick retries."""
    loop.tick_since = clock.now()
    token = current.set(loop.activity)
    try:
        await loop.tick()
    except LedgerError:
        raise
    except Transient as error:
        if _news(loop, "tick_failed", str(error), clock.now()):
            log.warning("tick_failed", loop=loop.name, why=str(error), next=_next(loop))
    except ProvdError as error:
        if _news(loop, "tick_blocked", str(error), clock.now()):
            log.error("tick_blocked", loop=loop.name, why=str(error), next=_next(loop))
    except Exception as error:
        if _news(loop, "tick_crashed", type(error).__name__, clock.now()):
            log.exception("tick_crashed", loop=loop.name, next=_next(loop))
    else:
        if _recovered(loop):
            log.info("tick_recovered", loop=loop.name)
        loop.last_success = clock.now()
    finally:
        current.reset(token)
        loop.tick_since = 0.0
        loop.ticks += 1


def _news(loop: Loop, event: str, why: str, now: float) -> bool:
    """Records the failure; returns whether to log it. Same event and same text up to ': ' are one failure."""
    loop.failure = why
    words = _NUMBER.sub("#", why)
    return loop.failures.start(event, words.partition(": ")[0], now, words)


def _recovered(loop: Loop) -> bool:
    """Records the successful tick and returns whether an earlier failure had been logged."""
    loop.failure = ""
    told = [loop.failures.clear(*each) for each in loop.failures.lasting()]
    return any(told)


def _next(loop: Loop) -> str:
    return f"the loop retries every {loop.period:g} s"


async def _wait(loop: Loop, stop: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (loop.poke, stop)]
    try:
        await asyncio.wait(waits, timeout=loop.period, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
