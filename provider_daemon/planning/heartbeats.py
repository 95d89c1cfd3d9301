"""When a node needs its next heartbeat: when it changed, or before the chain's patience ends. Pure.

The chain marks a node stale after its parameter `node_heartbeat_timeout`, offline after 300 seconds and
deregistered after 3600, which is final (docs/protocol.md, 'Nodes').
"""

import math

STALE_SECONDS = 120  # node_heartbeat_timeout, unless governance changed it
OFFLINE_SECONDS = 300
# For a node that is offline on chain anyway: only its deregistration has to be prevented.
UNUSABLE_SECONDS = 1800
RESERVE = 0.25  # of the patience: the transaction must be in a block before it ends


def patience(timeout: int, *, usable: bool) -> float:
    """Returns the seconds after which a heartbeat is too old. `timeout`: the parameter; 0 if unknown."""
    if not usable:
        return UNUSABLE_SECONDS * (1 - RESERVE)
    return min(timeout or STALE_SECONDS, OFFLINE_SECONDS) * (1 - RESERVE)


def is_due(age: float, period: float, limit: float) -> bool:
    """Whether an unchanged node needs a heartbeat now, because at the next poll it would be too late.

    `age` of its last heartbeat, `period` between two polls and `limit` (see `patience`) are in seconds.
    """
    return age + period > limit


def interval(period: float, limit: float) -> float:
    """Returns the seconds between two heartbeats of a node that never changes."""
    return max(1, math.floor(limit / period)) * period
