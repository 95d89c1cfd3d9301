"""Holds: reasons why a compute node is not sold. Pure values."""

from dataclasses import dataclass
from enum import StrEnum


class HoldSource(StrEnum):
    """A node has at most one hold of each. OPERATOR: `provd node drain`. HEALTH: the node is sick."""

    OPERATOR = "operator"
    HEALTH = "health"


@dataclass(frozen=True, slots=True)
class NodeHold:
    """`host`: its name in SLURM. Times: seconds since the epoch.

    `good_since`: since when a sick node is well again, 0 while it is not.
    """

    cluster_id: str
    host: str
    source: HoldSource
    since: float
    reason: str
    good_since: float = 0.0
