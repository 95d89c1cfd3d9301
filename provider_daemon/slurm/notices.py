"""Warns the operator of foreign output and unreadable records, which are ignored."""

from typing import Any

import structlog

from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock
from provider_daemon.slurm.tables import SHOWN, Reading, Unread
from provider_daemon.text import printable

log = structlog.get_logger("provd.slurm")


class Notices:
    """One cluster's notices. Each program's problem is separate; its subject is `cluster program`."""

    def __init__(self, ongoing: OngoingProblems, cluster: str, clock: Clock) -> None:
        self._ongoing = ongoing
        self._cluster = cluster
        self._clock = clock

    def note(self, program: str, reading: Reading[Any]) -> None:
        self._foreign(program, reading.foreign)
        self._unread(program, reading.unread)

    def _foreign(self, program: str, lines: tuple[str, ...]) -> None:
        if not lines:
            if self._ongoing.clear("foreign_output", self._subject(program)):
                log.info("foreign_output_stopped", cluster=self._cluster, program=program)
        elif self._ongoing.start("foreign_output", self._subject(program), self._clock.now()):
            first, following = (
                printable(lines[0][:SHOWN]),
                "these lines are ignored; make the wrapper print them on stderr",
            )
            log.warning(
                "foreign_output",
                cluster=self._cluster,
                program=program,
                lines=len(lines),
                first=first,
                next=following,
            )

    def _unread(self, program: str, records: tuple[Unread, ...]) -> None:
        if not records:
            if self._ongoing.clear("record_unreadable", self._subject(program)):
                log.info("records_readable", cluster=self._cluster, program=program)
            return
        first = records[0]
        words = f"{first.slurm_id} {first.name}"
        if self._ongoing.start("record_unreadable", self._subject(program), self._clock.now(), words):
            following = (
                "the job of this record waits until it can be read; other jobs continue; check `record`"
            )
            shown = {"record": printable(first.text), "why": printable(first.why), "next": following}
            log.error(
                "record_unreadable", cluster=self._cluster, program=program, records=len(records), **shown
            )

    def _subject(self, program: str) -> str:
        return f"{self._cluster} {program}"
