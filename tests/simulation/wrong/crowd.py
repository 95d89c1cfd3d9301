"""Errors in the limits of customers, which only a crowd reveals (tests/simulation/crowd.py)."""

from typing import Any

from provider_daemon.job.customer_limits import History
from provider_daemon.ledger import customers
from provider_daemon.ledger.customers import HeldCustomer
from tests.fakes.chain import ALICE
from tests.simulation.wrong import Changes

HISTORY, OLDER = customers.history, customers.older


def of_everybody(ledger: Any, cluster_id: str, customer: str, now: float) -> History:
    """Counts the flood against each customer."""
    return HISTORY(ledger, cluster_id, ALICE.address, now)


def behind_everybody(ledger: Any, cluster_id: str, customer: str, number: int) -> HeldCustomer | None:
    """One queue for all customers."""
    return OLDER(ledger, cluster_id, ALICE.address, number)


def never_again(ledger: Any, number: int, *_: Any) -> None:
    """Does not store which jobs were left on chain."""


CROWD: dict[str, Changes] = {
    "limits count all customers together": ((customers, "history", of_everybody),),
    "all customers stand in one queue": ((customers, "older", behind_everybody),),
    "a postponed job is forgotten": ((customers, "postpone", never_again),),
}
