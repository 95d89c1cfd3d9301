"""A message that the chain refuses: what it says of the job decides whether its reports go, are told anew, or
wait for an operator."""

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

PATIENCE = 60  # seconds that a refusal and the job's record may contradict each other


class Rejections:
    """`poke` wakes the loops that have something new to say."""

    def __init__(self, ledger: Ledger, records: JobRecords, clock: Clock, poke: Callable[[], None]) -> None:
        self._ledger = ledger
        self._records = records
        self._clock = clock
        self._poke = poke
        self._refused_since: dict[int, float] = {}  # message -> when it was first refused

    async def look_into(self, message: Message, why: str) -> None:
        """A report: what does the chain say of its job? Reports that are already true, or overtaken, go; the
        rest is told anew."""
        if message.kind != "report":
            self._drop(message, why)
            return
        (record,) = await self._records.read([message.subject])
        agrees = self._records.agrees(message.subject, record)
        if not (agrees and isinstance(record, ChainJob)):
            log.warning(
                "report_refused",
                job=message.subject,
                state=message.state,
                why=why,
                next="the report is not sent; the chain record of the job is compared again",
            )
        elif self._behind(message.subject, record.state) or due(record.state, State(message.state)):
            self._retry_or_park(message, why)
        else:
            self._accept_chain_state(message, record.state, record.started_at, why)

    def _drop(self, message: Message, why: str) -> None:
        """A newer heartbeat follows; that of a node which the chain gave up has to follow under another
        id."""
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

    def _behind(self, job_id: str, state: State) -> bool:
        """An endpoint that does not know yet what the chain confirmed to us has nothing to say about the
        job."""
        job = self._ledger.job(job_id)
        return job is not None and bool(route(state, job.reported))

    def _retry_or_park(self, message: Message, why: str) -> None:
        """By the job's record the chain should have taken it. One endpoint may be behind another: only what
        lasts is an operator's."""
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
                message.subject, EventKind.REPORT_DROPPED, f"chain says {state}: {why}", self._clock.now()
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
    """Whether the chain, with the job in `state`, should have taken that report."""
    return reported in route(state, reported)[:1]
