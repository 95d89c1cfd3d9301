"""Limits a timeout height, so that a wrong height cannot keep a transaction open for weeks. Pure."""

MOST_BLOCKS_A_SECOND = 10.0  # no chain is faster
SLACK_BLOCKS = 100


def plausible_height(height: int, included: tuple[int, float] | None, now: float) -> int:
    """Returns an endpoint's `height`, limited to what the key's last included transaction makes possible.

    `included` is that transaction's height, and when it was signed. If there is none, or if the clock is
    behind it, the endpoint's height is returned.
    """
    if included is None or now < included[1]:
        return height
    return min(height, included[0] + SLACK_BLOCKS + int((now - included[1]) * MOST_BLOCKS_A_SECOND))
