"""The system clock that implements ports.Clock."""

import time
from collections.abc import Callable


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SystemClock:
    """The machine's clock at the start of provd, continued by a clock that cannot be set.

    If the machine's clock is set while provd runs, no waiting window becomes shorter or longer. The new time
    counts from the next start on. `booted_at`: when the machine booted, in seconds since the epoch. It
    differs between two starts exactly if the machine was booted or its clock was set in between.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = _since_boot
    ) -> None:
        self._steady = steady
        self.booted_at = wall() - steady()

    def now(self) -> float:
        return self.booted_at + self._steady()
