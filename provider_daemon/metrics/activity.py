"""Whether a loop's tick gets on: each call of a port that it makes, or that ends, is a sign of life.

A tick may be long (a backlog of thousands of jobs) and so may one call (a database that thinks); a tick that
neither has a call under way nor makes one is dead, and so is a call that outlives its own time limit."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from provider_daemon.ports import Clock

IDLE_SECONDS = 20.0  # inside a tick and outside any call: pure work on 10,000 jobs takes two
# one remote command has 15 s to begin, 60 s to run and 15 s to answer; one chain call is far shorter
CALL_SECONDS = 120.0


@dataclass(slots=True)
class Activity:
    """`calls` under way; `changed_at`, in seconds since the epoch, when one last began or ended."""

    calls: int = 0
    changed_at: float = 0.0

    def stuck(self, tick_since: float, now: float) -> bool:
        """Whether the tick that began then has shown no sign of life for too long."""
        quiet = now - max(tick_since, self.changed_at)
        return quiet >= (CALL_SECONDS if self.calls else IDLE_SECONDS)


# of the loop whose tick is running
current: ContextVar[Activity | None] = ContextVar("current", default=None)


@contextmanager
def calling(clock: Clock) -> Iterator[None]:
    """Around one call of a port."""
    activity = current.get() or Activity()
    activity.calls, activity.changed_at = activity.calls + 1, clock.now()
    try:
        yield
    finally:
        activity.calls, activity.changed_at = activity.calls - 1, clock.now()
