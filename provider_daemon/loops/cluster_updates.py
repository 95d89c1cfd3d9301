"""Decides how the chain's record of a cluster must change: its state, and its number of nodes. Pure."""

from dataclasses import dataclass

from provider_daemon.ledger.pause import Pause
from provider_daemon.ports import Cluster

ACTIVE, DRAINING, OFFLINE = "active", "draining", "offline"


@dataclass(frozen=True, slots=True)
class Update:
    """`state`: active or draining, "" if it stays. `total_nodes`: 0 if it stays."""

    state: str = ""
    total_nodes: int = 0

    def __bool__(self) -> bool:
        return bool(self.state or self.total_nodes)


def wanted_state(state: str, pause: Pause | None) -> str:
    """Returns the state that the cluster must get; "" if it keeps its own.

    A paused cluster is draining. It becomes active again after the pause, or when the chain made it offline.
    """
    if pause is not None and not pause.over:
        return DRAINING if state in (ACTIVE, OFFLINE) else ""
    return ACTIVE if state == OFFLINE or (state == DRAINING and pause is not None) else ""


def update(cluster: Cluster, nodes: int, pause: Pause | None) -> Update:
    """Returns the update for a cluster with that number of nodes in SLURM.

    With a total_nodes below the number of nodes, the chain would refuse every later update.
    """
    # the record may count nodes that somebody else reports
    count = max(nodes, cluster.available_nodes if cluster.state == OFFLINE else 0)
    return Update(wanted_state(cluster.state, pause), count if count > cluster.total_nodes else 0)


def shown_on_chain(state: str, pause: Pause) -> bool:
    """Returns whether nothing is left to do about a pause that is over."""
    return pause.over and state not in (DRAINING, OFFLINE)
