"""How long jobs waited that started lately."""

from collections.abc import Mapping

from provider_daemon.ledger.ledger import Ledger

SECONDS = 7 * 86_400.0
JOBS = 500  # the newest ones


def waited(ledger: Ledger, cluster_id: str, now: float) -> Mapping[str, list[int]]:
    """Returns queue -> seconds from creation to start, of closed jobs of the last week."""
    found: dict[str, list[int]] = {}
    for row in ledger._all("started_lately", cluster_id=cluster_id, since=now - SECONDS, count=JOBS):
        found.setdefault(row["queue"], []).append(max(0, row["waited"]))
    return found
