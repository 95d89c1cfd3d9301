"""How a loop's failures are told: once for as long as they last."""

import pytest
from structlog.testing import capture_logs

from provider_daemon.errors import LedgerError, Transient, Unreadable
from provider_daemon.loops.runner import Loop, run_once
from provider_daemon.ongoing import CALM_SECONDS, REMIND_SECONDS


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


class Script:
    """A tick that ends as the test says."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.clock = Clock()
        self.loop = Loop("advance:alpha", 5, self.tick)

    async def tick(self) -> None:
        if self.error is not None:
            raise self.error

    async def ends(self, error: Exception | None) -> list[str]:
        """The events of one tick that ends so."""
        self.error = error
        with capture_logs() as logs:
            await run_once(self.loop, self.clock)
        return [entry["event"] for entry in logs]


@pytest.fixture
def script() -> Script:
    return Script()


async def test_a_failure_is_told_once(script: Script) -> None:
    """However many ticks it lasts, and whatever number in it counts down; its end is told too."""
    assert await script.ends(Transient("ssh: refused; next attempt in 30 s")) == ["tick_failed"]
    assert await script.ends(Transient("ssh: refused; next attempt in 25 s")) == []
    assert script.loop.failure == "ssh: refused; next attempt in 25 s"
    assert await script.ends(None) == ["tick_recovered"]
    assert script.loop.failure == ""
    assert await script.ends(None) == []


async def test_another_failure_is_news(script: Script) -> None:
    """What is wrong has changed, so the operator hears of it."""
    assert await script.ends(Transient("squeue: no answer")) == ["tick_failed"]
    assert await script.ends(Unreadable("squeue: not a number")) == ["tick_blocked"]
    assert await script.ends(ValueError("a fault of ours")) == ["tick_crashed"]
    assert await script.ends(ValueError("a fault of ours")) == []


async def test_a_failure_that_comes_and_goes_is_told_once_a_while(script: Script) -> None:
    """A wire that is cut again and again, in ever other words, is one failure; what is of another kind is
    told at once."""
    cut = [
        Transient("no endpoint is usable: stream removed"),
        Transient("no endpoint is usable: refused"),
        None,
    ]
    said = [event for error in cut * 5 for event in await script.ends(error)]
    assert said == ["tick_failed", "tick_recovered"]
    assert await script.ends(Transient("squeue failed (1): no controller")) == ["tick_failed"]
    script.clock.time += CALM_SECONDS
    assert await script.ends(cut[1]) == ["tick_failed"]
    assert await script.ends(None) == ["tick_recovered"]
    script.clock.time += REMIND_SECONDS
    assert await script.ends(cut[1]) == ["tick_failed"]


async def test_a_failure_that_comes_back_and_lasts_is_told(script: Script) -> None:
    """The log's last word is never that all is well again while it is not: in the same words, too."""
    failure = Transient("squeue: no answer")
    assert await script.ends(failure) == ["tick_failed"]
    assert await script.ends(None) == ["tick_recovered"]
    assert await script.ends(failure) == []
    script.clock.time += CALM_SECONDS
    assert await script.ends(failure) == ["tick_failed"]
    script.clock.time += CALM_SECONDS
    assert await script.ends(failure) == []
    assert await script.ends(None) == ["tick_recovered"]


async def test_a_long_failure_is_told_again(script: Script) -> None:
    """A log that was rotated still says what is wrong."""
    await script.ends(Transient("squeue: no answer"))
    script.clock.time += REMIND_SECONDS
    assert await script.ends(Transient("squeue: no answer")) == ["tick_failed"]


async def test_a_ledger_error_is_not_held(script: Script) -> None:
    """Without memory nothing is safe: it ends the daemon."""
    with pytest.raises(LedgerError):
        await script.ends(LedgerError("disk full"))
    assert script.loop.tick_since == 0.0
