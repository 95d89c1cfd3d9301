"""Whether a sender keeps a lowest rate. Pure: times are passed in."""


class Pace:
    """At least `slow_bytes` must come in each `slow` seconds of waiting for them."""

    def __init__(self, slow: float, slow_bytes: int) -> None:
        self._slow = slow
        self._slow_bytes = slow_bytes
        self._waited = 0.0
        self._received = 0

    def keeps(self, waited: float, received: int) -> bool:
        """Adds one read, and returns whether the sender was fast enough so far."""
        self._waited += waited
        self._received += received
        if self._waited < self._slow:
            return True
        enough = self._received >= self._slow_bytes
        self._waited, self._received = 0.0, 0
        return enough
