"""The one way in which a loop runs: tick, wait a period or for a poke, tick again."""

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
    """A named tick. `last_success` and `tick_since` (seconds since the epoch, 0 when there was none, or none
    is under way) and `failure` are what readiness, metrics and the watchdog look at; `failures` decides which
    of them the log tells. `stalled` gives the reason why good ticks get nothing done, '' while they do.
    `ticks` counts those that ended; `activity` shows that the one under way gets on; `ended` that there will
    be no more.

    A poke only shortens a wait; polling carries correctness.
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
        """Why it makes no progress any more; '' while it lives. A tick that fails is no sign of death."""
        if self.ended:
            return "the loop has ended"
        stuck = bool(self.tick_since) and self.activity.stuck(self.tick_since, now)
        return f"no progress in a tick that began {now - self.tick_since:.0f} s ago" if stuck else ""


async def run_periodically(loop: Loop, clock: Clock, stop: asyncio.Event) -> None:
    """Runs until `stop` is set; the tick under way is finished first. A LedgerError ends the daemon: without
    memory nothing is safe."""
    try:
        while not stop.is_set():
            loop.poke.clear()
            await run_once(loop, clock)
            await _wait(loop, stop)
    finally:
        loop.ended = True


async def run_once(loop: Loop, clock: Clock) -> None:
    """One tick, with its failure turned into one log line for as long as it lasts: the next tick repairs
    it."""
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
    """Notes the failure; whether it must be told. What begins alike is one failure, and a number that counts
    down no other words."""
    loop.failure = why
    words = _NUMBER.sub("#", why)
    return loop.failures.start(event, words.partition(": ")[0], now, words)


def _recovered(loop: Loop) -> bool:
    """Notes the good tick; whether one of the failures before it was told."""
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
