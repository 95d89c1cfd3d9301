"""The one way in which a loop runs: tick, wait a period or for a poke, tick again."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from provider_daemon.errors import LedgerError, ProvdError, Transient
from provider_daemon.ports import Clock

log = structlog.get_logger("provd.loop")

REMIND_SECONDS = 600  # a failure that lasts is told when it begins and then so often
_NUMBER = re.compile(r"\d+")


@dataclass(slots=True)
class Loop:
    """A named tick. `last_success` and `tick_since` (seconds since the epoch, 0 when there was none, or none is under way) and
    `failure` are what readiness, metrics and the watchdog look at; `told_at` is when the failure was last logged.
    `ticks` counts those that ended.

    A poke only shortens a wait; polling carries correctness.
    """

    name: str
    period: float
    tick: Callable[[], Awaitable[None]]
    poke: asyncio.Event = field(default_factory=asyncio.Event)
    last_success: float = 0.0
    tick_since: float = 0.0
    failure: str = ""
    told_at: float = 0.0
    ticks: int = 0


async def every(loop: Loop, clock: Clock, stop: asyncio.Event) -> None:
    """Runs until `stop` is set; the tick under way is finished first. A LedgerError ends the daemon: without memory nothing is safe."""
    while not stop.is_set():
        loop.poke.clear()
        await attempt(loop, clock)
        await _wait(loop, stop)


async def attempt(loop: Loop, clock: Clock) -> None:
    """One tick, with its failure turned into one log line for as long as it lasts: the next tick repairs it."""
    loop.tick_since = clock.now()
    try:
        await loop.tick()
    except LedgerError:
        raise
    except Transient as error:
        if _news(loop, str(error), clock.now()):
            log.warning("tick_failed", loop=loop.name, why=str(error), next=_next(loop))
    except ProvdError as error:
        if _news(loop, str(error), clock.now()):
            log.error("tick_refused", loop=loop.name, why=str(error), next=_next(loop))
    except Exception as error:
        if _news(loop, type(error).__name__, clock.now()):
            log.exception("tick_broken", loop=loop.name, next=_next(loop))
    else:
        if loop.failure:
            log.info("tick_recovered", loop=loop.name)
        loop.failure, loop.last_success = "", clock.now()
    finally:
        loop.tick_since = 0.0
        loop.ticks += 1


def _news(loop: Loop, why: str, now: float) -> bool:
    """Notes the failure. Whether it must be told: it differs from the last tick's in more than a number, or was told long ago."""
    same = _NUMBER.sub("#", why) == _NUMBER.sub("#", loop.failure)
    loop.failure = why
    if same and now - loop.told_at < REMIND_SECONDS:
        return False
    loop.told_at = now
    return True


def _next(loop: Loop) -> str:
    return f"tries again every {loop.period:g} s"


async def _wait(loop: Loop, stop: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (loop.poke, stop)]
    try:
        await asyncio.wait(waits, timeout=loop.period, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
