"""When to try a failed step again."""

FIRST_SECONDS = 5.0
MOST_SECONDS = 600.0


class Backoff:
    """Waits per job and step: FIRST_SECONDS after the first failure, then twice as long each time.

    It is not stored: a restart tries everything at once. Times in seconds, of any one clock.
    """

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, float]] = {}

    def ready(self, key: str, now: float) -> bool:
        return now >= self._failures.get(key, (0, 0.0))[1]

    def failed(self, key: str, now: float) -> float:
        """Records a failure and returns the seconds until the next attempt."""
        count = self._failures.get(key, (0, 0.0))[0] + 1
        wait = min(FIRST_SECONDS * 2.0 ** min(count - 1, 20), MOST_SECONDS)
        self._failures[key] = (count, now + wait)
        return wait

    def clear(self, key: str) -> None:
        self._failures.pop(key, None)

    @property
    def waiting(self) -> int:
        """The number of failed steps that are tried again."""
        return len(self._failures)
