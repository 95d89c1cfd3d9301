"""What the ledger has of a cluster whose intake an operator paused."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Pause:
    """`by`: the operator. `since`: seconds since the epoch. `over`: intake runs again.

    A pause that is over is kept until the chain shows the cluster as active again.
    """

    reason: str
    by: str
    since: float
    over: bool = False


def load(text: str) -> Pause | None:
    """Returns None if there is no pause, or a newer provd wrote it in another form."""
    try:
        return Pause(**json.loads(text)) if text else None
    except (TypeError, ValueError):
        return None


def dump(pause: Pause | None) -> str:
    return json.dumps(asdict(pause)) if pause else ""
