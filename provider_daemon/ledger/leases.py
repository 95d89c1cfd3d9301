"""The leases of Unix users in the ledger. Functions that write run inside `with ledger.write():`."""

import sqlite3
from collections.abc import Iterable
from dataclasses import asdict

from provider_daemon.job.leases import Lease
from provider_daemon.ledger.ledger import Ledger


def open_leases(ledger: Ledger, cluster_id: str) -> list[Lease]:
    """Returns the leases that have not ended, by user."""
    return [_lease(row) for row in ledger._all("open_leases", cluster_id=cluster_id)]


def of_user(ledger: Ledger, cluster_id: str, user: str, count: int) -> list[Lease]:
    """Returns the newest leases of a user, newest first."""
    return [
        _lease(row) for row in ledger._all("leases_of_user", cluster_id=cluster_id, user=user, count=count)
    ]


def save(ledger: Ledger, leases: Iterable[Lease]) -> None:
    """Adds new leases, and changes those that have an id. Raises LedgerError for a second open one of a user.

    Leases that end are written first, so that the user can have another one in the same call.
    """
    for lease in sorted(leases, key=lambda lease: lease.ended_at is None):
        values = {**asdict(lease), "forced": int(lease.forced)}
        if lease.id:
            ledger._run("change_lease", **values)
        else:
            values.pop("id")
            ledger._run("add_lease", **values)


def open_customers(ledger: Ledger, cluster_id: str) -> frozenset[str]:
    """Returns the addresses of the customers with open jobs."""
    return frozenset(row["customer"] for row in ledger._all("open_customers", cluster_id=cluster_id))


def last_closed(ledger: Ledger, lease: Lease) -> float:
    """Returns when the last of the customer's jobs that had the user was closed; 0 if none was."""
    key = {"cluster_id": lease.cluster_id, "user": lease.user, "customer": lease.customer}
    (row,) = ledger._all("last_closed", **key)
    return float(row["closed_at"] or 0)


def _lease(row: sqlite3.Row) -> Lease:
    values = dict(row)
    return Lease(**{**values, "forced": bool(values["forced"])})
