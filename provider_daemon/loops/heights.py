"""A transaction's timeout height, never so far away that a wrong height keeps it open for weeks. Pure."""

MOST_BLOCKS_A_SECOND = 10.0  # no chain is faster
SLACK_BLOCKS = 100


def plausible_height(height: int, included: tuple[int, float] | None, now: float) -> int:
    """`height` as an endpoint gives it, or the highest that it can be by the key's last transaction in a
    block (height, when made).

    Without such a transaction, or where the clock is behind it, nothing contradicts the endpoint.
    """
    if included is None or now < included[1]:
        return height
    return min(height, included[0] + SLACK_BLOCKS + int((now - included[1]) * MOST_BLOCKS_A_SECOND))
