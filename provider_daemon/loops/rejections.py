"""Handles refused messages: reports are dropped, sent again, or wait for an operator."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from provider_daemon.job.lifecycle import confirm
from provider_daemon.job.parking import Parked, ParkReason
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import ENDED_BY_CHAIN, State, route
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message
from provider_daemon.loops import node_ids
from provider_daemon.loops.job_records import JobRecords
from provider_daemon.ports import Clock

log = structlog.get_logger("provd.outbox")

PATIENCE = 60  # seconds that a refusal may contradict the job's record before the job is parked


class Rejections:
    """Handles refused messages. `poke` wakes the loops that can send new reports."""

    def __init__(self, ledger: Ledger, records: JobRecords, clock: Clock, poke: Callable[[], None]) -> None:
        self._ledger = ledger
        self._records = records
        self._clock = clock
        self._poke = poke
        self._refused_since: dict[int, float] = {}  # message id -> when it was first refused

    async def look_into(self, message: Message, why: str) -> None:
        """Drops all but a report that is due, which waits to be sent again."""
        if message.kind == "operator":
            self._refuse(message, why)
            return
        if message.is_heartbeat:
            self._drop(message, why)
            return
        (record,) = await self._records.read([message.subject])
        # a report of a job on hold is dropped: otherwise it would be refused again at every tick
        agrees = self._records.may_report(message.subject, record)
        if not (agrees and isinstance(record, ChainJob)):
            log.warning(
                "report_refused",
                job=message.subject,
                state=message.state,
                why=why,
                next="the report waits while provd compares the job with its record on chain",
            )
        elif self._behind(message.subject, record.state) or due(record.state, State(message.state)):
            self._retry_or_park(message, why)
        else:
            self._accept_chain_state(message, record.state, record.started_at, why)

    def _drop(self, message: Message, why: str) -> None:
        """Drops a heartbeat. A deregistered node continues under a new id."""
        given_up = message.kind == "node" and node_ids.is_given_up(why)
        with self._ledger.write():
            self._ledger.drop_message(message.id, why)
            new = node_ids.succeed(self._ledger, message.subject) if given_up else ""
        if given_up:
            log.warning(
                "node_deregistered",
                node=message.subject,
                why=why,
                next=f"its heartbeats continue under the new node id {new}",
            )
        else:
            log.warning(
                "message_dropped",
                kind=message.kind,
                subject=message.subject,
                why=why,
                next="the next heartbeat replaces it",
            )

    def _refuse(self, message: Message, why: str) -> None:
        """Drops an operator's message. The command that stored it prints the reason."""
        with self._ledger.write():
            self._ledger.drop_message(message.id, why)
        log.warning(
            "operator_message_refused",
            message=message.subject,
            why=why,
            next="the message is not sent again; correct the command that created it",
        )

    def _behind(self, job_id: str, state: State) -> bool:
        """Returns whether `state` is older than what the chain has confirmed. The endpoint is then behind."""
        job = self._ledger.job(job_id)
        return job is not None and bool(route(state, job.reported))

    def _retry_or_park(self, message: Message, why: str) -> None:
        """Retries a due report, and parks the job if the refusal lasts: one endpoint may be behind."""
        since = self._refused_since.setdefault(message.id, self._clock.now())
        if self._clock.now() - since >= PATIENCE:
            self.park(message, ParkReason.REPORT_REFUSED, f"the chain refuses its report: {why}")
        else:
            log.warning(
                "report_refused",
                job=message.subject,
                state=message.state,
                why=why,
                next="the report is sent again at the next tick",
            )

    def _accept_chain_state(self, message: Message, state: State, started_at: int, why: str) -> None:
        with self._ledger.write():
            if state in ENDED_BY_CHAIN:
                self._ledger.keep_last_report(message.subject, f"chain: {state}")
            self._ledger.drop_reports(message.subject, why)
            if job := self._ledger.job(message.subject):
                self._ledger.save_job(confirm(replace(job, promised=state), state, started_at))
            self._ledger.add_event(
                message.subject,
                EventKind.REPORT_DROPPED,
                f"state on chain: {state}; {why}",
                self._clock.now(),
            )
        log.warning(
            "report_dropped",
            job=message.subject,
            state=message.state,
            chain=state,
            why=why,
            next="the job's state is updated from the chain; only a report that is still due is sent",
        )
        self._poke()

    def park(self, message: Message, reason: ParkReason, why: str) -> None:
        self._refused_since.pop(message.id, None)
        with self._ledger.write():
            self._ledger.drop_reports(message.subject, why)
            if job := self._ledger.job(message.subject):
                self._ledger.save_job(replace(job, parked=Parked(reason, why), promised=job.reported))
        next_step = f"no reports are sent until `provd job unpark {message.subject}`"
        log.error("job_parked", job=message.subject, reason=reason, why=why, next=next_step)


def due(state: State, reported: State) -> bool:
    """Returns whether the chain accepts report `reported` next for a job in `state`."""
    return reported in route(state, reported)[:1]
