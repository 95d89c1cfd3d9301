"""The one way in which a loop runs: tick, wait a period or for a poke, tick again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from provider_daemon.errors import LedgerError, ProvdError, Transient
from provider_daemon.ports import Clock

log = structlog.get_logger("provd.loop")


@dataclass(slots=True)
class Loop:
    """A named tick. `last_success` and `tick_since` (seconds since the epoch, 0 when there was none, or none is under way) and
    `failure` are what readiness, metrics and the watchdog look at.

    A poke only shortens a wait; polling carries correctness.
    """

    name: str
    period: float
    tick: Callable[[], Awaitable[None]]
    poke: asyncio.Event = field(default_factory=asyncio.Event)
    last_success: float = 0.0
    tick_since: float = 0.0
    failure: str = ""


async def every(loop: Loop, clock: Clock, stop: asyncio.Event) -> None:
    """Runs until `stop` is set; the tick under way is finished first. A LedgerError ends the daemon: without memory nothing is safe."""
    while not stop.is_set():
        loop.poke.clear()
        await attempt(loop, clock)
        await _wait(loop, stop)


async def attempt(loop: Loop, clock: Clock) -> None:
    """One tick, with its failure turned into one log line: the next tick repairs it."""
    loop.tick_since = clock.now()
    try:
        await loop.tick()
    except LedgerError:
        raise
    except Transient as error:
        _failed(loop, str(error))
        log.warning("tick_failed", loop=loop.name, why=str(error), next=f"tries again within {loop.period:g} s")
    except ProvdError as error:
        _failed(loop, str(error))
        log.error("tick_refused", loop=loop.name, why=str(error), next=f"tries again within {loop.period:g} s")
    except Exception as error:
        _failed(loop, type(error).__name__)
        log.exception("tick_broken", loop=loop.name, next=f"tries again within {loop.period:g} s")
    else:
        if loop.failure:
            log.info("tick_recovered", loop=loop.name)
        loop.failure, loop.last_success = "", clock.now()
    finally:
        loop.tick_since = 0.0


def _failed(loop: Loop, why: str) -> None:
    loop.failure = why


async def _wait(loop: Loop, stop: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (loop.poke, stop)]
    try:
        await asyncio.wait(waits, timeout=loop.period, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
