"""The real clock behind ports.Clock."""

import time
from collections.abc import Callable


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SystemClock:
    """The machine's clock as it stood at our start, carried on by the steady one that nobody can set.

    So a clock that is set while provd runs neither cuts a waiting window short nor draws one out; the new
    time counts from the next start on. `booted_at`: the machine's boot in seconds since the epoch; from one
    start to the next it differs exactly when the machine was booted, or its clock was set, in between."""

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = _since_boot
    ) -> None:
        self._steady = steady
        self.booted_at = wall() - steady()

    def now(self) -> float:
        return self.booted_at + self._steady()
