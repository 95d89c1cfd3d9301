"""The real clock behind ports.Clock."""

import time


class SystemClock:
    def now(self) -> float:
        return time.time()
