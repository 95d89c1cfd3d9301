"""Rate-limits log messages about ongoing problems: logged at the start, every 10 minutes while they last, and
on recovery."""

import math

REMIND_SECONDS = 600  # between two lines about the same ongoing problem
# between two lines about one that changes its text, or comes and goes: a flapping connection is one problem
CALM_SECONDS = 20


class OngoingProblems:
    """Each by its log event's word and whom it concerns: a cluster's name, an endpoint, an address, a chain
    id."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[float, str]] = {}
        self._lasting: dict[tuple[str, str], bool] = {}

    def start(self, what: str, subject: str, now: float, words: str = "") -> bool:
        """Notes that it is so; whether it must be told. `now` in seconds since the epoch, `words` what the
        line would say."""
        key = (what, subject)
        at, said = self._told.get(key, (-math.inf, ""))
        wait = REMIND_SECONDS if self._lasting.setdefault(key, False) and said == words else CALM_SECONDS
        if 0 <= now - at < wait:
            return False
        recent = {other: told for other, told in self._told.items() if now - told[0] < REMIND_SECONDS}
        self._told, self._lasting[key] = {**recent, key: (now, words)}, True
        return True

    def clear(self, what: str, subject: str) -> bool:
        """Notes that it is over; whether its beginning was told, and so its end must be."""
        return self._lasting.pop((what, subject), False)

    def lasting(self) -> list[tuple[str, str]]:
        return sorted(self._lasting)
