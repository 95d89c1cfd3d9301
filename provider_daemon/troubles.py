"""What is wrong and lasts: told once when it begins, rarely again while it goes on, once when it is over; a metric shows it meanwhile."""

import math

REMIND_SECONDS = 600  # what lasts is told when it begins and then so often
CALM_SECONDS = 20  # what changes its words, or goes and comes, is told so often: a wire cut again and again is one failure


class Troubles:
    """Each by its log event's word and whom it concerns: a cluster's name, an endpoint, an address, a chain id."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], float] = {}
        self._lasting: dict[tuple[str, str], bool] = {}

    def begins(self, what: str, subject: str, now: float) -> bool:
        """Notes that it is so; whether it must be told. `now` in seconds since the epoch."""
        key = (what, subject)
        wait = REMIND_SECONDS if self._lasting.get(key) else CALM_SECONDS
        self._lasting.setdefault(key, False)
        if 0 <= now - self._told.get(key, -math.inf) < wait:
            return False
        self._told[key], self._lasting[key] = now, True
        return True

    def ends(self, what: str, subject: str) -> bool:
        """Notes that it is over; whether its beginning was told, and so its end must be."""
        return self._lasting.pop((what, subject), False)

    def lasting(self) -> list[tuple[str, str]]:
        return sorted(self._lasting)
