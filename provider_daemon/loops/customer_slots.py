"""Customers' limits on what is in SLURM: whose waiting jobs one tick submits."""

from collections.abc import Iterable

import structlog

from provider_daemon.job.customer_limits import CustomerPolicy, Held, Limit, over_limit
from provider_daemon.job.spec import Spec
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger

log = structlog.get_logger("provd.advance")


class CustomerSlots:
    """`begin` starts a tick, `admits` and `took` are called for each job in the order of submission."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._policy = CustomerPolicy()
        self._held: dict[str, Held] = {}
        self._limited: dict[str, Limit] = {}  # job id -> why it waited in this tick
        self._noted: dict[str, Limit] = {}  # job id -> why it waited when that was last written

    def begin(self, policy: CustomerPolicy, active: Iterable[Spec]) -> None:
        """`active`: the jobs in SLURM."""
        self._policy, self._held, self._limited = policy, {}, {}
        for spec in active:
            self.took(spec)

    def admits(self, spec: Spec) -> bool:
        limit = over_limit(self._policy.of(spec.customer), self._of(spec.customer), spec.resources)
        if limit is not None:
            self._limited[spec.job_id] = limit
        return limit is None

    def took(self, spec: Spec) -> None:
        self._held[spec.customer] = self._of(spec.customer).plus(spec.resources)

    def write(self, now: float) -> None:
        """Adds to the timeline of each job why it began to wait. Call inside `ledger.write()`."""
        for job_id, limit in self._limited.items():
            if self._noted.get(job_id) is not limit:
                text = f"waits for other jobs of its customer: {limit}"
                self._ledger.add_event(job_id, EventKind.LIMITED, text, now)
        self._noted = self._limited

    def _of(self, customer: str) -> Held:
        return self._held.get(customer, Held())
