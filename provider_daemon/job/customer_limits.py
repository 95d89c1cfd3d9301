"""What one customer may use of a cluster. Pure.

Intake asks `decide` before a job enters the ledger: take it, leave it on chain for later, or refuse it. The
advance loop asks `over_limit` before a submission. Prices are not involved.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from provider_daemon.job.spec import Resources, Spec

MINUTE, DAY = 60, 86_400  # seconds over which submissions and core-hours are counted
# Refused jobs of one customer in a minute; each costs a row in the ledger and a report. Others wait on chain.
REFUSALS_A_MINUTE = 10
MOST_AT_ONCE = 256  # jobs that one call of `room` grants


class Limit(StrEnum):
    """What holds a customer's jobs back. Metrics, the ledger and the timeline use these words."""

    PAUSED = "paused"  # the cluster's intake, by an operator
    BLOCKED = "blocked"
    NOT_ALLOWED = "not_allowed"
    JOBS = "max_jobs"
    WAITING = "max_waiting"
    CORES = "max_cores"
    GPUS = "max_gpus"
    CORE_HOURS = "core_hours_per_day"
    SUBMISSIONS = "submissions_per_minute"


@dataclass(frozen=True, slots=True)
class CustomerLimits:
    """The limits of one customer on one cluster; 0 means no limit.

    `max_jobs`, `max_cores` and `max_gpus` count what is in SLURM, pending or running; `max_waiting` counts
    jobs in the ledger that are not in SLURM yet. `core_hours_per_day` counts what jobs taken in the last 24
    hours asked for, and what they used once that is known.
    """

    max_jobs: int = 0
    max_waiting: int = 0
    max_cores: int = 0
    max_gpus: int = 0
    core_hours_per_day: float = 0
    submissions_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class CustomerPolicy:
    """Whose jobs are accepted, and how many. Maps are by address.

    `allowed` and `blocked`: address -> reason. If `allowed` is not empty, all others are refused. `paused`:
    nobody's jobs are taken now.
    """

    limits: CustomerLimits = field(default_factory=CustomerLimits)
    exceptions: Mapping[str, CustomerLimits] = field(default_factory=dict)
    allowed: Mapping[str, str] = field(default_factory=dict)
    blocked: Mapping[str, str] = field(default_factory=dict)
    paused: bool = False

    def of(self, customer: str) -> CustomerLimits:
        return self.exceptions.get(customer, self.limits)


@dataclass(frozen=True, slots=True)
class History:
    """What the ledger has of one customer on one cluster.

    `waiting`: jobs not in SLURM yet. `taken` and `refused`: jobs of the last minute. `core_seconds`: of the
    jobs taken in the last 24 hours.
    """

    waiting: int = 0
    taken: int = 0
    refused: int = 0
    core_seconds: int = 0

    def after(self, decision: "Decision", spec: Spec) -> "History":
        """Returns the history once the decision is in the ledger."""
        if isinstance(decision, Take):
            seconds = self.core_seconds + core_seconds(spec)
            return replace(self, waiting=self.waiting + 1, taken=self.taken + 1, core_seconds=seconds)
        return replace(self, refused=self.refused + 1) if isinstance(decision, Refuse) else self


@dataclass(frozen=True, slots=True)
class Held:
    """What one customer has in SLURM."""

    jobs: int = 0
    cores: int = 0
    gpus: int = 0

    def plus(self, asked: Resources) -> "Held":
        return Held(self.jobs + 1, self.cores + cores(asked), self.gpus + gpus(asked))


@dataclass(frozen=True, slots=True)
class Take:
    pass


@dataclass(frozen=True, slots=True)
class Later:
    """The job stays pending on chain until the customer is below the limit again."""

    limit: Limit


@dataclass(frozen=True, slots=True)
class Refuse:
    """The job can never be taken. `reason` is its status message, which anybody can read on chain."""

    limit: Limit
    reason: str


Decision = Take | Later | Refuse


def decide(policy: CustomerPolicy, history: History, spec: Spec) -> Decision:
    """Decides on a pending job that is not in the ledger."""
    if policy.paused:
        return Later(Limit.PAUSED)
    limits = policy.of(spec.customer)
    if refusal := _not_accepted(policy, spec.customer) or _never_fits(limits, spec):
        return refusal if history.refused < REFUSALS_A_MINUTE else Later(refusal.limit)
    if _reached(history.taken, limits.submissions_per_minute):
        return Later(Limit.SUBMISSIONS)
    if _reached(history.waiting, limits.max_waiting):
        return Later(Limit.WAITING)
    if _exceeds(history.core_seconds + core_seconds(spec), limits.core_hours_per_day * 3600):
        return Later(Limit.CORE_HOURS)
    return Take()


def room(policy: CustomerPolicy, customer: str, history: History) -> int:
    """Returns how many of the customer's postponed jobs are worth reading from the chain now.

    `decide` has the last word on each of them, because it knows what the job asks for.
    """
    if policy.paused:
        return 0
    if _not_accepted(policy, customer):
        return max(0, REFUSALS_A_MINUTE - history.refused)
    limits = policy.of(customer)
    free = [
        limit - used
        for limit, used in (
            (limits.submissions_per_minute, history.taken),
            (limits.max_waiting, history.waiting),
        )
        if limit
    ]
    spent = _reached(history.core_seconds, limits.core_hours_per_day * 3600)
    return 0 if spent else max(0, min([*free, MOST_AT_ONCE]))


def over_limit(limits: CustomerLimits, held: Held, asked: Resources) -> Limit | None:
    """Returns the limit that submitting the job would exceed, or None."""
    wanted = held.plus(asked)
    return next(
        (
            limit
            for limit, used, most in (
                (Limit.JOBS, wanted.jobs, limits.max_jobs),
                (Limit.CORES, wanted.cores, limits.max_cores),
                (Limit.GPUS, wanted.gpus, limits.max_gpus),
            )
            if _exceeds(used, most)
        ),
        None,
    )


def cores(asked: Resources) -> int:
    """Returns the job's cores. A job that asks for none gets one per node."""
    return max(asked.nodes, 1) * max(asked.cpus_per_node, 1)


def gpus(asked: Resources) -> int:
    return max(asked.nodes, 1) * max(asked.gpus_per_node, 0)


def core_seconds(spec: Spec) -> int:
    """Returns the core-seconds that the job may use."""
    return cores(spec.resources) * max(spec.max_runtime_seconds, 0)


def _not_accepted(policy: CustomerPolicy, customer: str) -> Refuse | None:
    if customer in policy.blocked:
        reason = f"this provider accepts no jobs from this account: {policy.blocked[customer]}"
        return Refuse(Limit.BLOCKED, reason)
    if policy.allowed and customer not in policy.allowed:
        return Refuse(Limit.NOT_ALLOWED, "this provider accepts jobs of registered accounts only: contact it")
    return None


def _never_fits(limits: CustomerLimits, spec: Spec) -> Refuse | None:
    """Refuses a job that exceeds a limit alone."""
    hours = core_seconds(spec) / 3600
    for limit, what, asked, most in (
        (Limit.CORES, "CPU cores", cores(spec.resources), limits.max_cores),
        (Limit.GPUS, "GPUs", gpus(spec.resources), limits.max_gpus),
        (Limit.CORE_HOURS, "core-hours", hours, limits.core_hours_per_day),
    ):
        if _exceeds(asked, most):
            text = f"{asked:g} {what} requested, this provider allows a customer {most:g} in all"
            return Refuse(limit, f"{text} in 24 hours" if limit is Limit.CORE_HOURS else text)
    return None


def _reached(used: float, limit: float) -> bool:
    return bool(limit) and used >= limit


def _exceeds(used: float, limit: float) -> bool:
    return bool(limit) and used > limit
