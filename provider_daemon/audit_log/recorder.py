"""Records what a process does, and continues if that fails."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from provider_daemon.audit_log.files import AuditFiles
from provider_daemon.audit_log.records import Action, Actor, ActorKind, Deed, Head, Process

log = structlog.get_logger("provd.audit")

HEAD_SECONDS = 3600  # between two log lines that name the last record


class Recorder:
    """A process that cannot write its audit log continues. The next record says how many are missing."""

    def __init__(self, files: AuditFiles, process: Process) -> None:
        self._files = files
        self._actor = Actor(ActorKind.PROCESS, process.value)
        self._lost = 0
        self._logged_at = 0.0
        self._head = Head()

    @property
    def head(self) -> Head:
        """The last record that this process wrote."""
        return self._head

    def started(self, now: float) -> None:
        self.record([self.deed(Action.STARTED)], now)

    def stopped(self, now: float) -> None:
        self.record([self.deed(Action.STOPPED)], now, sync=True)
        self._log_head(now)

    def deed(self, action: Action, *, job: str = "", thing: str = "", detail: str = "") -> Deed:
        """Returns a deed of the process itself."""
        return Deed(action, self._actor, job, thing, detail)

    def record(self, deeds: Sequence[Deed], now: float, *, sync: bool = False) -> None:
        first, *others = deeds
        if self._lost:
            missing = f"{self._lost} records before this one could not be written; {first.detail}"
            first = replace(first, detail=missing)
        try:
            self._head = self._files.append([first, *others], now, sync=sync)
        except (OSError, ValueError) as error:
            self._lose(len(deeds), getattr(error, "strerror", None) or str(error))
            return
        if self._lost:
            log.info("audit_written_again", missing=self._lost)
            self._lost = 0
        if now - self._logged_at >= HEAD_SECONDS:
            self._log_head(now)

    def _lose(self, count: int, why: str) -> None:
        if not self._lost:
            following = (
                "provd continues without these records, and the next one states how many are missing; free "
                "disk space or correct the permissions of the audit log"
            )
            log.error("audit_not_written", why=why, next=following)
        self._lost += count

    def _log_head(self, now: float) -> None:
        """Logs the last record: whoever cuts off the end of the log cannot change the journal too."""
        self._logged_at = now
        log.info("audit_head", head=str(self._head))


def by_customer(address: str, action: Action, *, job: str = "", thing: str = "", detail: str = "") -> Deed:
    return Deed(action, Actor(ActorKind.CUSTOMER, address), job, thing, detail)
