"""The clocks of an agent."""

import time
from typing import Protocol


class Clock(Protocol):
    """`now`: seconds since the epoch. `steady`: seconds of a clock that cannot be set."""

    def now(self) -> float: ...

    def steady(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> float:
        return time.time()

    def steady(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
