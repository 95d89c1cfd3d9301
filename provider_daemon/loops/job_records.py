"""Checks before each report and at each sweep that the chain's record of a job is the ledger's job.

An endpoint can invent or alter a job; later the true record appears under that number. A report is sent only
if the record agrees. A job whose record contradicts the ledger is put on hold: it is neither reported nor
submitted. If the contradiction lasts, the job is disowned: its SLURM job is cancelled, and its number is free
for the true record.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

import structlog

from provider_daemon.errors import Unreadable
from provider_daemon.job.hold import EXPLAINED, Hold
from provider_daemon.job.job import Job
from provider_daemon.job.spec import ChainJob, same_request
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message
from provider_daemon.ports import Chain, Clock

log = structlog.get_logger("provd.records")

Answer = ChainJob | BaseException | None

BATCH = 64  # job records per query; the callers commit each batch
# how long a record may be absent or unreadable before the job is put on hold; a node lags for less
UNANSWERED_SECONDS = 60
DISOWN_SECONDS = 120  # how long a contradiction must last before a submitted job is disowned
DISOWN_UNSENT_SECONDS = 30  # the same for a job that was never in SLURM
CONTRADICTIONS = frozenset({Hold.OTHER_RECORD, Hold.NOT_ON_CHAIN})


async def read_records(chain: Chain, job_ids: Iterable[str]) -> list[Answer]:
    """Returns the chain's record of each job, or the exception of its query."""
    return list(await asyncio.gather(*map(chain.job, job_ids), return_exceptions=True))


class JobRecords:
    """Compares records with the ledger. Each loop may have an instance: lasting state is in the ledger."""

    def __init__(self, ledger: Ledger, chain: Chain, clock: Clock) -> None:
        self._ledger = ledger
        self._chain = chain
        self._clock = clock
        # since when the node has had no record of the job, or an unreadable one
        self._unanswered: dict[tuple[str, Hold], float] = {}

    async def disagreeing(self, messages: Sequence[Message]) -> frozenset[str]:
        """Returns the jobs whose reports must not be sent now. Raises Transient when the chain is down."""
        job_ids = list(dict.fromkeys(message.subject for message in messages if message.kind == "report"))
        records = await self.read(job_ids)
        return frozenset(
            job_id
            for job_id, record in zip(job_ids, records, strict=True)
            if not self.may_report(job_id, record)
        )

    async def read(self, job_ids: Iterable[str]) -> list[Answer]:
        """Returns each job's record, or an Unreadable in its place. Raises any other error."""
        records = await read_records(self._chain, job_ids)
        for record in records:
            if isinstance(record, BaseException) and not isinstance(record, Unreadable):
                raise record
        return records

    def may_report(self, job_id: str, record: Answer) -> bool:
        """Returns whether to report the job. Reports of a job on hold are dropped, and stored again later."""
        agrees, job = self.agrees(job_id, record), self._ledger.job(job_id)
        if job is None or job.hold:
            with self._ledger.write():
                self._ledger.drop_unsent_reports(
                    job_id, "on hold" if job else "the job was dropped from the ledger"
                )
                if job:
                    promised = self._ledger.last_sent(job_id) or job.reported
                    self._ledger.save_job(replace(job, promised=promised))
            return False
        return agrees

    def agrees(self, job_id: str, record: Answer) -> bool:
        """Returns whether the record is this job's own. Stores a hold, its end or a disowned job."""
        job = self._ledger.job(job_id)
        if job is None or job.hold is Hold.TOO_EXPENSIVE:
            return False
        if isinstance(record, ChainJob) and same_request(job.spec, record.spec):
            self._confirmed(job, record)
            return True
        if (found := self._objection(job, record)) is not None:
            self._hold(job, found)
        return False

    def _objection(self, job: Job, record: Answer) -> Hold | None:
        """Returns the reason for a hold, or None while the node may only lag.

        A job without a SLURM job loses nothing by a hold, and the unreadable record may be another job's.
        """
        if isinstance(record, ChainJob):
            return Hold.OTHER_RECORD
        found = Hold.NOT_ON_CHAIN if record is None else Hold.UNREADABLE
        if found is Hold.UNREADABLE and not job.slurm_id:
            return found
        since = self._unanswered.setdefault((job.spec.job_id, found), self._clock.now())
        return found if self._clock.now() - since >= UNANSWERED_SECONDS else None

    def _confirmed(self, job: Job, record: ChainJob) -> None:
        """Ends the hold of a job whose record agrees. A job of an older ledger gets its digest."""
        job_id = job.spec.job_id
        for hold in (Hold.NOT_ON_CHAIN, Hold.UNREADABLE):
            self._unanswered.pop((job_id, hold), None)
        after = replace(job, spec=replace(job.spec, digest=record.spec.digest))
        if job.hold:
            after = replace(after, hold=None, hold_since=None, disowned=False, closed_at=None)
        if after == job:
            return
        with self._ledger.write():
            self._ledger.save_job(after)
            if job.hold:
                self._ledger.add_event(
                    job_id, EventKind.HOLD_ENDED, "the chain's record agrees again", self._clock.now()
                )
        if job.hold:
            log.info("job_hold_ended", job=job_id, reason=job.hold)

    def _hold(self, job: Job, reason: Hold) -> None:
        if job.hold is reason or (job.disowned and reason is Hold.UNREADABLE):
            self._disown(job)
            return
        job_id, now = job.spec.job_id, self._clock.now()
        both = job.hold in CONTRADICTIONS and reason in CONTRADICTIONS
        since = job.hold_since if both else now
        with self._ledger.write():
            self._ledger.drop_unsent_reports(job_id, EXPLAINED[reason])
            held = replace(
                job, hold=reason, hold_since=since, promised=self._ledger.last_sent(job_id) or job.reported
            )
            self._ledger.save_job(held)
            self._ledger.add_event(job_id, EventKind.ON_HOLD, EXPLAINED[reason], now)
        following = (
            "the job is neither submitted nor reported, and its record on chain is read again at every tick; "
            "compare it with that of the other endpoints"
        )
        log.error("job_on_hold", job=job_id, reason=reason, why=EXPLAINED[reason], next=following)

    def _disown(self, job: Job) -> None:
        """Disowns the job if its contradiction has lasted long enough: nobody pays for it."""
        now, patience = self._clock.now(), DISOWN_SECONDS if job.submitted else DISOWN_UNSENT_SECONDS
        if job.disowned or job.hold not in CONTRADICTIONS:
            return
        if job.hold_since is None or now < job.hold_since:  # the clock was set back: the wait restarts
            with self._ledger.write():
                self._ledger.save_job(replace(job, hold_since=now))
            return
        if now - job.hold_since < patience:
            return
        with self._ledger.write():
            self._ledger.save_job(replace(job, disowned=True))
            self._ledger.add_event(job.spec.job_id, EventKind.DISOWNED, EXPLAINED[job.hold], now)
        log.error(
            "job_disowned",
            job=job.spec.job_id,
            reason=job.hold,
            slurm_job=job.slurm_id,
            next="the SLURM job is cancelled",
        )
