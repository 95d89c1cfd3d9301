"""The daemon's ledger, which records in the audit log what was committed."""

from collections.abc import Iterator
from contextlib import contextmanager

from provider_daemon.audit_log.recorder import Recorder, by_customer
from provider_daemon.audit_log.records import Action, Deed
from provider_daemon.job.state import State
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.metrics.ledger import MeasuredLedger
from provider_daemon.ports import Clock

ACTIONS = {
    EventKind.ADOPTED: Action.JOB_ADOPTED,
    EventKind.IGNORED: Action.JOB_IGNORED,
    EventKind.INTENT: Action.JOB_SUBMITTED,
    EventKind.SLURM_JOB: Action.JOB_IN_SLURM,
    EventKind.REPORT_STORED: Action.JOB_REPORTED,
    EventKind.PARKED: Action.JOB_PARKED,
    EventKind.CLOSED: Action.JOB_CLOSED,
}
"""timeline entry -> what the audit log says; other entries are observations, not acts"""


class AuditedLedger(MeasuredLedger):
    """Until `audit` is called nothing is recorded."""

    _recorder: Recorder | None = None
    _done: list[tuple[Action, str, State | None]]  # since the current write began

    def audit(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder = recorder
        self._audit_clock = clock

    @contextmanager
    def write(self) -> Iterator[None]:
        self._done = []
        with super().write():
            yield
        if self._recorder is not None and self._done:
            deeds = [self._deed(self._recorder, *done) for done in self._done]
            self._recorder.record(deeds, self._audit_clock.now())

    def add_event(
        self, job_id: str, kind: EventKind, detail: str, now: float, state: State | None = None
    ) -> None:
        super().add_event(job_id, kind, detail, now, state)
        if kind in ACTIONS:
            self._done.append((ACTIONS[kind], job_id, state))

    def _deed(self, recorder: Recorder, action: Action, job_id: str, state: State | None) -> Deed:
        """The customer is who had the job adopted; everything after that the daemon does."""
        job = self.job(job_id) if action is Action.JOB_ADOPTED else None
        if job is not None:
            return by_customer(job.spec.customer, action, job=job_id, detail=job.state)
        return recorder.deed(action, job=job_id, detail=state or "")
