"""The mover's database, which records in the audit log what was delivered and deleted."""

from provider_daemon.audit_log.recorder import Recorder
from provider_daemon.audit_log.records import Action
from provider_daemon.ports import Clock
from provider_daemon.transfers.rows import Delivery
from provider_daemon.transfers.writer import TransferWriter


class AuditedWriter(TransferWriter):
    """Jobs are named by their SLURM name, which ends with the id on chain."""

    _recorder: Recorder | None = None

    def audit(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder = recorder
        self._clock = clock

    def set_delivery(self, name: str, state: Delivery, detail: str = "", bytes_out: int = 0) -> None:
        super().set_delivery(name, state, detail, bytes_out)
        if state is Delivery.DONE:
            self._note(Action.RESULTS_DELIVERED, name)

    def set_deleted(self, name: str, now: float) -> None:
        super().set_deleted(name, now)
        self._note(Action.RESULTS_DELETED, name)

    def set_unstaged(self, name: str, now: float) -> None:
        super().set_unstaged(name, now)
        self._note(Action.INPUTS_DELETED, name)

    def _note(self, action: Action, name: str) -> None:
        if self._recorder is not None:
            self._recorder.record([self._recorder.deed(action, job=name)], self._clock.now())
