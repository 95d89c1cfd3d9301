"""Token buckets, which limit how often something happens. Pure: time is an argument, memory is bounded."""

from collections import OrderedDict

KEYS = 20_000  # buckets kept; the least recently used one is forgotten first


class TokenBuckets:
    """At most `per_minute` events of one key in a minute, evenly after a burst."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._most = float(per_minute)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Returns how many seconds the key must wait; 0 if it may go on."""
        return max(0.0, (1 - self._level(key, now)) / self._rate)

    def spend(self, key: str, now: float) -> None:
        self._buckets[key] = (self._level(key, now) - 1, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > KEYS:
            self._buckets.popitem(last=False)

    def _level(self, key: str, now: float) -> float:
        level, at = self._buckets.get(key, (self._most, now))
        return min(self._most, level + max(0.0, now - at) * self._rate)
