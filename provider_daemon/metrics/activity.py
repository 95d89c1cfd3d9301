"""Whether a loop's tick makes progress: each port call that starts or ends counts as progress.

A tick may be long (thousands of jobs), and so may one call (a slow database). A tick is dead if it has no
call in progress and starts none, or if a call exceeds its time limit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from provider_daemon.ports import Clock

IDLE_SECONDS = 20.0  # inside a tick without a port call: computing over 10,000 jobs takes two seconds
# A remote command has 15 s to start, 60 s to run and 15 s to answer; a chain call is far shorter.
CALL_SECONDS = 120.0


@dataclass(slots=True)
class Activity:
    """`calls` in progress; `changed_at`, in seconds since the epoch, when a call last started or ended."""

    calls: int = 0
    changed_at: float = 0.0

    def stuck(self, tick_since: float, now: float) -> bool:
        """Whether the tick that started at `tick_since` has made no progress for too long."""
        quiet = now - max(tick_since, self.changed_at)
        return quiet >= (CALL_SECONDS if self.calls else IDLE_SECONDS)


# The activity of the loop whose tick is running.
current: ContextVar[Activity | None] = ContextVar("current", default=None)


@contextmanager
def calling(clock: Clock) -> Iterator[None]:
    """Surrounds one port call."""
    activity = current.get() or Activity()
    activity.calls, activity.changed_at = activity.calls + 1, clock.now()
    try:
        yield
    finally:
        activity.calls, activity.changed_at = activity.calls - 1, clock.now()
