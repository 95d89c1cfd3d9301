"""Rate-limits logs of ongoing problems: at the start, every 10 minutes while they last, and on recovery."""

import math

REMIND_SECONDS = 600  # between two lines about the same ongoing problem
# between two lines about a problem whose text changes or that comes and goes, such as a flapping connection
CALM_SECONDS = 20


class OngoingProblems:
    """The ongoing problems, by log event and subject (cluster, endpoint, address or chain id)."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[float, str]] = {}
        self._lasting: dict[tuple[str, str], bool] = {}

    def start(self, what: str, subject: str, now: float, words: str = "") -> bool:
        """Records a problem with its text `words`; returns whether to log it. `now` in epoch seconds."""
        key = (what, subject)
        at, said = self._told.get(key, (-math.inf, ""))
        wait = REMIND_SECONDS if self._lasting.setdefault(key, False) and said == words else CALM_SECONDS
        if 0 <= now - at < wait:
            return False
        recent = {other: told for other, told in self._told.items() if now - told[0] < REMIND_SECONDS}
        self._told, self._lasting[key] = {**recent, key: (now, words)}, True
        return True

    def clear(self, what: str, subject: str) -> bool:
        """Records that a problem has ended. Returns whether its start was logged, so that its end must be."""
        return self._lasting.pop((what, subject), False)

    def lasting(self) -> list[tuple[str, str]]:
        return sorted(self._lasting)
