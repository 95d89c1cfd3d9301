"""What operators decided about customers. Functions that write run inside `with ledger.write():`."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from provider_daemon.ledger.ledger import Ledger


class Access(StrEnum):
    """Whether an operator decided that a customer's jobs are accepted. DEFAULT: the configuration decides."""

    DEFAULT = ""
    ALLOWED = "allowed"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class CustomerRule:
    """`reason`: of a block. `limits`: those that differ from the configuration's, by name, 0 for no limit.

    `by` and `at`: who decided last, and when, in seconds since the epoch.
    """

    customer: str
    access: Access = Access.DEFAULT
    reason: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    by: str = ""
    at: float = 0.0

    @property
    def says_nothing(self) -> bool:
        return self.access is Access.DEFAULT and not self.limits


@dataclass(frozen=True, slots=True)
class CustomerJobs:
    """How many jobs of a customer the ledger has, and how many of them are open."""

    customer: str
    jobs: int
    open_jobs: int


def all_rules(ledger: Ledger) -> list[CustomerRule]:
    return [_rule(row) for row in ledger._all("customer_rules")]


def rule(ledger: Ledger, customer: str) -> CustomerRule:
    row = ledger._one("customer_rule", customer=customer)
    return _rule(row) if row else CustomerRule(customer)


def save(ledger: Ledger, decided: CustomerRule) -> None:
    """Stores the rule, or removes it if it says nothing."""
    if decided.says_nothing:
        ledger._run("delete_customer_rule", customer=decided.customer)
        return
    ledger._run(
        "set_customer_rule",
        customer=decided.customer,
        access=decided.access.value,
        reason=decided.reason,
        limits=json.dumps(dict(decided.limits)),
        by=decided.by,
        at=decided.at,
    )


def counts(ledger: Ledger, count: int) -> list[CustomerJobs]:
    """Returns the `count` customers with the most open jobs, then the most jobs."""
    return [CustomerJobs(**dict(row)) for row in ledger._all("customers_jobs", count=count)]


def _rule(row: sqlite3.Row) -> CustomerRule:
    return CustomerRule(
        row["customer"],
        Access(row["access"]),
        row["reason"],
        json.loads(row["limits"]),
        row["by"],
        row["at"],
    )
