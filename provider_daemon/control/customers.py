"""Blocking, allowing and limiting customers."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field, StringConstraints

from provider_daemon.audit_log.records import Action
from provider_daemon.config.customers import ADDRESS
from provider_daemon.control.operation import Body, Context, Deed, Operation
from provider_daemon.errors import Refused
from provider_daemon.ledger import customer_rules
from provider_daemon.ledger.customer_rules import Access

Customer = Annotated[str, StringConstraints(pattern=ADDRESS)]


class BlockCustomer(Body):
    """`reason` becomes a part of the status message of each refused job, as in the configuration."""

    customer: Customer
    reason: str = Field(min_length=1, max_length=100)


class AllowCustomer(Body):
    customer: Customer
    reason: str = Field(default="", max_length=100)


class LimitCustomer(Body):
    """Limits that are None keep their values; 0 is no limit. `reset`: all as in the configuration again."""

    customer: Customer
    reset: bool = False
    max_jobs: int | None = Field(default=None, ge=0)
    max_waiting: int | None = Field(default=None, ge=0)
    max_cores: int | None = Field(default=None, ge=0)
    max_gpus: int | None = Field(default=None, ge=0)
    core_hours_per_day: float | None = Field(default=None, ge=0)
    submissions_per_minute: int | None = Field(default=None, ge=0)

    @property
    def given(self) -> dict[str, float]:
        return self.model_dump(exclude={"customer", "reset"}, exclude_none=True)


class Decided(Body):
    """The customer's rule now."""

    customer: str
    access: str
    reason: str
    limits: dict[str, float]


def _block(asked: BlockCustomer, context: Context) -> Decided:
    return _save(context, asked.customer, access=Access.BLOCKED, reason=asked.reason)


def _allow(asked: AllowCustomer, context: Context) -> Decided:
    """Ends a block. Where only listed customers are accepted, the customer is one of them from now on."""
    configured = context.config.customers
    if asked.customer in configured.blocked:
        raise Refused(
            f"{asked.customer} is blocked in provd.toml: remove the line of [customers.blocked], then reload"
        )
    access = Access.ALLOWED if configured.allowed else Access.DEFAULT
    return _save(context, asked.customer, access=access, reason=asked.reason)


def _limit(asked: LimitCustomer, context: Context) -> Decided:
    if asked.reset == bool(asked.given):
        raise Refused("give at least one limit, or --reset, but not both")
    before = customer_rules.rule(context.ledger, asked.customer)
    return _save(context, asked.customer, limits={} if asked.reset else {**before.limits, **asked.given})


def _save(context: Context, customer: str, **changed: object) -> Decided:
    before = customer_rules.rule(context.ledger, customer)
    decided = replace(before, by=context.operator, at=context.now, **changed)  # type: ignore[arg-type]
    customer_rules.save(context.ledger, decided)
    return Decided(
        customer=customer, access=decided.access, reason=decided.reason, limits=dict(decided.limits)
    )


def _limits_set(asked: LimitCustomer) -> str:
    return " ".join(f"{name}={value:g}" for name, value in asked.given.items()) or "as configured"


_INTAKE = frozenset({"intake"})

BLOCK = Operation(
    "customers/block",
    BlockCustomer,
    Decided,
    _block,
    lambda asked, answer: [Deed(Action.CUSTOMER_BLOCKED, object=asked.customer, detail=asked.reason)],
    _INTAKE,
)
ALLOW = Operation(
    "customers/allow",
    AllowCustomer,
    Decided,
    _allow,
    lambda asked, answer: [Deed(Action.CUSTOMER_ALLOWED, object=asked.customer, detail=asked.reason)],
    _INTAKE,
)
LIMIT = Operation(
    "customers/limit",
    LimitCustomer,
    Decided,
    _limit,
    lambda asked, answer: [Deed(Action.CUSTOMER_LIMITED, object=asked.customer, detail=_limits_set(asked))],
    frozenset({"intake", "advance"}),
)
