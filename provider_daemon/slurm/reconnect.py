"""Limits reconnects. Pure: the caller passes the time."""

from collections import deque

FAILURES_A_MINUTE = 3
RECONNECTS_A_MINUTE = 2  # after the first attempt: sites ban clients that connect more often


class ReconnectLimit:
    """The first attempt is free; after it, at most RECONNECTS_A_MINUTE are allowed in any 60 seconds."""

    def __init__(self) -> None:
        self._first = True
        self._again: deque[float] = deque(maxlen=RECONNECTS_A_MINUTE)

    def wait(self, now: float) -> float:
        """Returns the seconds until the next attempt is allowed, 0 if it is allowed now."""
        full = len(self._again) == RECONNECTS_A_MINUTE
        return max(0.0, self._again[0] + 60 - now) if full else 0.0

    def tried(self, now: float) -> None:
        if self._first:
            self._first = False
        else:
            self._again.append(now)


class FailureLimit:
    """Limits failed logins at a site, of all users: no attempt after FAILURES_A_MINUTE in 60 seconds."""

    def __init__(self) -> None:
        self._failures: deque[float] = deque(maxlen=FAILURES_A_MINUTE)

    def wait(self, now: float) -> float:
        """Returns the seconds until the next attempt is allowed, 0 if it is allowed now."""
        full = len(self._failures) == FAILURES_A_MINUTE
        return max(0.0, self._failures[0] + 60 - now) if full else 0.0

    def failed(self, now: float) -> None:
        self._failures.append(now)
