"""What is wrong and lasts: told once when it begins, rarely again while it goes on, once when it is over; a metric shows it meanwhile."""

import math

REMIND_SECONDS = 600  # what lasts is told when it begins and then so often
CALM_SECONDS = 20  # what changes its words, or goes and comes, is told so often: a wire cut again and again is one failure


class Troubles:
    """Each by its log event's word and whom it concerns: a cluster's name, an endpoint, an address, a chain id."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[float, str]] = {}
        self._lasting: dict[tuple[str, str], bool] = {}

    def begins(self, what: str, subject: str, now: float, words: str = "") -> bool:
        """Notes that it is so; whether it must be told. `now` in seconds since the epoch, `words` what the line would say."""
        key = (what, subject)
        at, said = self._told.get(key, (-math.inf, ""))
        wait = REMIND_SECONDS if self._lasting.setdefault(key, False) and said == words else CALM_SECONDS
        if 0 <= now - at < wait:
            return False
        recent = {other: told for other, told in self._told.items() if now - told[0] < REMIND_SECONDS}
        self._told, self._lasting[key] = {**recent, key: (now, words)}, True
        return True

    def ends(self, what: str, subject: str) -> bool:
        """Notes that it is over; whether its beginning was told, and so its end must be."""
        return self._lasting.pop((what, subject), False)

    def lasting(self) -> list[tuple[str, str]]:
        return sorted(self._lasting)
