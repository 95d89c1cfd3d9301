"""What is wrong and lasts: told once when it begins, rarely again while it goes on, once when it is over; a metric shows it meanwhile."""

REMIND_SECONDS = 600


class Troubles:
    """Each by its log event's word and whom it concerns: a cluster's name, an endpoint, an address, a chain id."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], float] = {}

    def begins(self, what: str, subject: str, now: float) -> bool:
        """Notes that it is so; whether it must be told. `now` in seconds since the epoch."""
        told = self._told.get((what, subject))
        if told is not None and 0 <= now - told < REMIND_SECONDS:
            return False
        self._told[what, subject] = now
        return True

    def ends(self, what: str, subject: str) -> bool:
        """Notes that it is over; whether it had begun."""
        return self._told.pop((what, subject), None) is not None

    def lasting(self) -> list[tuple[str, str]]:
        return sorted(self._told)
