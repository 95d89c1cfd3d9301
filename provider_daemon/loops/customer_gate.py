"""Customers' limits at intake: which of a batch of new jobs enter the ledger now, and which stay on chain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from provider_daemon.job.customer_limits import CustomerPolicy, Decision, History, Later, Limit, decide, room
from provider_daemon.job.job import Job
from provider_daemon.job.spec import Spec
from provider_daemon.job.state import State
from provider_daemon.ledger import customers
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.loops.customer_policy import current
from provider_daemon.ongoing import OngoingProblems

log = structlog.get_logger("provd.intake")

HELD = "customers_held"  # log event
HELD_A_TICK = (
    64  # customers whose postponed jobs are considered in one tick; the next tick takes the next ones
)


@dataclass(frozen=True, slots=True)
class Postponed:
    """A job that stays on chain."""

    number: int
    cluster_id: str
    customer: str
    limit: Limit

    @property
    def holder(self) -> tuple[str, str, Limit]:
        return self.cluster_id, self.customer, self.limit


class AdmissionBatch:
    """Decides on the jobs of one batch, each as if the ones before it were in the ledger already.

    A customer's jobs are taken in the order of their numbers: while one waits on chain, so do later ones.
    """

    def __init__(
        self, ledger: Ledger, served: Mapping[str, ServedCluster], numbers: Sequence[int], now: float
    ) -> None:
        self._ledger = ledger
        self._served = served
        self._numbers = numbers
        self._now = now
        self._histories: dict[tuple[str, str], History] = {}
        self._policies: dict[str, CustomerPolicy] = {}
        self._waiting: dict[tuple[str, str], Limit] = {}
        self.postponed: list[Postponed] = []

    def decide(self, number: int, spec: Spec) -> Decision:
        key = (spec.cluster_id, spec.customer)
        if key not in self._histories:
            self._histories[key] = customers.history(self._ledger, *key, self._now)
            if older := customers.older(self._ledger, *key, min(self._numbers)):
                self._waiting[key] = Limit(older.reason)
        decision = self._decided(key, spec)
        if isinstance(decision, Later):
            self._waiting[key] = decision.limit
            self.postponed.append(Postponed(number, *key, decision.limit))
        self._histories[key] = self._histories[key].after(decision, spec)
        return decision

    def _decided(self, key: tuple[str, str], spec: Spec) -> Decision:
        if key in self._waiting:
            return Later(self._waiting[key])
        return decide(self._policy(spec.cluster_id), self._histories[key], spec)

    def _policy(self, cluster_id: str) -> CustomerPolicy:
        if cluster_id not in self._policies:
            self._policies[cluster_id] = current(self._ledger, self._served[cluster_id])
        return self._policies[cluster_id]


class CustomerGate:
    """Stores what was decided, and says which postponed jobs to read again.

    Only as many are read as can be taken, so that 100,000 postponed jobs cost no more than one.
    """

    def __init__(self, ledger: Ledger, served: Mapping[str, ServedCluster], ongoing: OngoingProblems) -> None:
        self._ledger = ledger
        self._served = served
        self._ongoing = ongoing
        self._after = ("", "")  # the customer and cluster that the last tick ended with

    def batch(self, numbers: Sequence[int], now: float) -> AdmissionBatch:
        return AdmissionBatch(self._ledger, self._served, numbers, now)

    def store(
        self, numbers: Sequence[int], adopted: Sequence[Job], decided: AdmissionBatch, now: float
    ) -> None:
        """Call inside `ledger.write()`."""
        left = {each.number: each for each in decided.postponed}
        for number in numbers:
            if each := left.get(number):
                customers.postpone(self._ledger, number, each.cluster_id, each.customer, each.limit, now)
            else:
                customers.settle(self._ledger, number)
        for cluster_id, customer, limit in {each.holder for each in decided.postponed}:
            customers.set_reason(self._ledger, cluster_id, customer, limit)
        for job in adopted:
            if job.reported is State.PENDING:
                customers.admit(self._ledger, job, now)

    def log_held(self, decided: AdmissionBatch, now: float) -> None:
        """Logs once, and every ten minutes while it lasts, that customers of a cluster are held back."""
        for cluster_id, customer, limit in sorted({each.holder for each in decided.postponed}):
            if self._ongoing.start(HELD, cluster_id, now):
                log.warning(
                    HELD,
                    cluster=cluster_id,
                    customer=customer,
                    limit=limit,
                    next="further jobs stay pending on chain until the limit allows them; `provd status` "
                    "lists all such customers",
                )

    def free(self, now: float) -> Iterator[list[int]]:
        """Yields, for some customers with postponed jobs, the numbers of those that may be taken now."""
        some = customers.held_after(self._ledger, *self._after, HELD_A_TICK)
        self._after = some[-1] if len(some) == HELD_A_TICK else ("", "")
        for customer, cluster_id in some:
            served = self._served.get(cluster_id)
            if served is None:
                continue
            history = customers.history(self._ledger, cluster_id, customer, now)
            if count := room(current(self._ledger, served), customer, history):
                yield customers.oldest(self._ledger, cluster_id, customer, count)

    def log_released(self) -> None:
        for cluster_id in self._served:
            if not customers.any_held(self._ledger, cluster_id) and self._ongoing.clear(HELD, cluster_id):
                log.info("customers_released", cluster=cluster_id)
