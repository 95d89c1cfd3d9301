"""How long an agent waits after failures: longer each time, and never all agents together. Pure."""

FIRST_SECONDS = 5.0
MOST_SECONDS = 120.0


def seconds(failures: int, chance: float) -> float:
    """Returns the wait after that many failures in a row. `chance`: a random number from 0 to 1.

    The wait is random between half and all of a limit that doubles up to MOST_SECONDS.
    """
    limit = min(MOST_SECONDS, FIRST_SECONDS * (1 << min(failures - 1, 10)))
    return limit * (1 + chance) / 2


def spread(interval: float, chance: float) -> float:
    """Returns the wait until the next heartbeat: up to a tenth earlier than asked, so that agents spread."""
    return interval * (1 - chance / 10)
