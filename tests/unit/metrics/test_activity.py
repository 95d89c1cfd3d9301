"""Which loops live: by the signs of life of their ticks."""

import asyncio

import pytest

from provider_daemon.loops.runner import Loop, run_once, run_periodically
from provider_daemon.metrics.activity import CALL_SECONDS, IDLE_SECONDS, calling
from tests.fakes.chain import FakeClock


async def nothing() -> None:
    """A tick that finds nothing to do."""


@pytest.mark.parametrize(
    ("since", "calls", "changed", "dead"),
    [
        (0.0, 0, 0.0, False),  # between ticks
        (990.0, 0, 0.0, False),
        (1000.0 - IDLE_SECONDS, 0, 0.0, True),
        (100.0, 0, 995.0, False),  # a long tick that gets on
        (100.0, 0, 1000.0 - IDLE_SECONDS, True),
        (100.0, 1, 1000.0 - IDLE_SECONDS, False),  # SLURM thinks
        (100.0, 1, 1000.0 - CALL_SECONDS, True),  # longer than any call may
    ],
)
def test_a_tick_without_a_sign_of_life_is_dead(since: float, calls: int, changed: float, dead: bool) -> None:
    """By the time since its last call began or ended; a call under way has its own limit."""
    loop = Loop("x", 1, nothing, tick_since=since)
    loop.activity.calls, loop.activity.changed_at = calls, changed
    assert bool(loop.dead(1000.0)) is dead


async def test_calls_are_their_loops_own() -> None:
    """Also those of tasks that the tick starts; a call outside any tick is nobody's."""
    clock = FakeClock(5.0)
    seen: list[int] = []

    async def call() -> None:
        with calling(clock):
            seen.append(loop.activity.calls)
            await asyncio.sleep(0)

    async def tick() -> None:
        await asyncio.gather(call(), call())

    loop = Loop("x", 1, tick)
    await run_once(loop, clock)
    await call()
    assert (seen, loop.activity.calls, loop.activity.changed_at) == ([1, 2, 0], 0, 5.0)


async def test_a_loop_that_ended_is_dead() -> None:
    """However it came to its end: here by a cancel that nobody else notices."""
    loop = Loop("x", 60, nothing)
    task = asyncio.create_task(run_periodically(loop, FakeClock(5.0), asyncio.Event()))
    while not loop.ticks:
        await asyncio.sleep(0)
    assert loop.dead(5.0) == ""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert loop.dead(5.0) == "the loop has ended"
