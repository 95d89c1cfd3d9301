"""The intake loop: adopts new jobs and follows changes of open jobs on chain.

New jobs are found by the chain's job counter, cancellations by their transactions. A slow sweep reads every
open job, so that nothing is missed.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import structlog

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.customer_limits import Later, Refuse
from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import confirm
from provider_daemon.job.spec import ChainJob, same_request
from provider_daemon.job.state import TERMINAL, State, route
from provider_daemon.ledger import customers, meta
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops import chain_identity
from provider_daemon.loops.admitting import JobAdmission
from provider_daemon.loops.chain_settlement import SettlementWatch
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.loops.customer_gate import AdmissionBatch, CustomerGate
from provider_daemon.loops.job_records import JobRecords
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Chain, Clock

log = structlog.get_logger("provd.intake")

BATCH = 64  # job records per query; each batch is one commit
# Job records read in one tick: the newest, and as many of those left unread before. So a flood of jobs delays
# the next customer's job by one tick at most.
NEWEST = 16 * BATCH
UNREAD = 16 * BATCH
NEAR = 1_000  # job numbers that are read again at once when the job counter is lower than before
COUNTER_SECONDS = 60  # how long a lower job counter must last before provd uses it
SWEEP_SECONDS = 60  # how long a change without an event can stay unnoticed
CANCEL_OVERLAP = 20  # blocks read again: a node's index may lag behind its height
IGNORED_NEXT = "the job stays pending on chain; provd neither runs nor reports it"


class Intake:
    """Serves all clusters of the daemon.

    `served_clusters` is keyed by the cluster id on chain. `poke` wakes the loops that act on what was found.
    """

    def __init__(
        self,
        ledger: Ledger,
        chain: Chain,
        served_clusters: Mapping[str, ServedCluster],
        clock: Clock,
        poke: Callable[[], None],
        ongoing: OngoingProblems | None = None,
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._served_clusters = served_clusters
        self._clock = clock
        self._poke = poke
        self._ongoing = ongoing or OngoingProblems()
        self._job_records = JobRecords(ledger, chain, clock)
        self._admission = JobAdmission(ledger, chain, served_clusters, clock)
        self._gate = CustomerGate(ledger, served_clusters, self._ongoing)
        self._settlement = SettlementWatch(ledger, chain)
        self._swept_at = 0.0
        self._vouched = False  # the chain knew one of the ledger's jobs at the last sweep
        self._behind_since: float | None = None

    async def tick(self) -> None:
        if self._sweep_due():
            self._vouched = await chain_identity.check(self._ledger, self._chain, self._clock.now())
        chain_identity.require(self._ledger)
        try:
            await self._new_jobs()
        except Transient:  # a counter that is behind must not hide changes of known jobs
            await self._changes()
            raise
        await self._changes()

    # --- new jobs ---

    async def _new_jobs(self) -> None:
        end = await self._chain.job_counter()
        if self._sweep_due():
            await self._settlement.examine(end)
        first = self._first_unseen()
        again = (
            [job_id for job_id in self._ledger.quarantined() if _number(job_id) < end]
            if self._sweep_due()
            else []
        )
        for some in _batches(again):
            await self._adopt(some, await self._records(some))
        if end < first:
            self._counter_behind(end, first)
        self._behind_since = None
        await self._leave_unread(first, end)
        for some in _batches(map(_job_id, customers.oldest(self._ledger, "", customers.UNREAD, UNREAD))):
            await self._adopt(some, await self._existing(some, end))
        first = self._ledger.get(meta.NEXT_JOB)
        for some in _batches(map(_job_id, range(first, min(end, first + NEWEST)))):
            await self._adopt(some, await self._existing(some, end))
        for numbers in self._gate.free(self._clock.now()):
            for some in _batches(map(_job_id, numbers)):
                await self._adopt(some, await self._existing(some, end))
        self._gate.log_released()

    async def _existing(self, job_ids: Sequence[str], end: int) -> list[ChainJob | BaseException | None]:
        """Returns the records. Raises Transient if a node with that job counter has none of a whole batch."""
        records = await self._records(job_ids)
        if len(job_ids) == BATCH and not any(records):
            raise Transient(
                f"the node has no record of {job_ids[0]} to {job_ids[-1]}, although its job counter is {end}"
            )
        return records

    async def _leave_unread(self, first: int, end: int) -> None:
        """Leaves all new numbers but the NEWEST for later, if the node can show that the latter exist."""
        newest = end - NEWEST
        if first >= newest:
            return
        if any(await self._records([_job_id(number) for number in range(newest, newest + BATCH)])):
            with self._ledger.write():
                customers.leave_unread(self._ledger, first, newest - 1, self._clock.now())
                self._ledger.set(meta.NEXT_JOB, newest)

    def _counter_behind(self, end: int, first: int) -> None:
        """Handles a counter lower than before. Raises Transient.

        An endpoint may have invented the higher counter, so the numbers between are read again when they are
        used. This is not done while the chain may be another one. A counter that is far lower must also last,
        because the lower one may be the invented one.
        """
        now = self._clock.now()
        self._behind_since = now if self._behind_since is None else self._behind_since
        lasts = now - self._behind_since >= COUNTER_SECONDS
        if (lasts or first - end <= NEAR) and (self._vouched or not self._ledger.witnesses(1)):
            log.warning(
                "job_counter_corrected",
                counter=end,
                before=first,
                next="jobs from this number on are read again",
            )
            with self._ledger.write():
                self._ledger.set(meta.NEXT_JOB, end)
                customers.forget_from(self._ledger, end)
        hint = "the node is behind, or it serves another chain with the same id, which needs its own ledger"
        raise Transient(f"the chain's job counter is {end}, and was {first} before: {hint}")

    def _first_unseen(self) -> int:
        """Returns the first number not yet read; 1 if other clusters are served than before."""
        served = " ".join(sorted(self._served_clusters))
        if self._ledger.get(meta.SERVED) != served:
            with self._ledger.write():
                self._ledger.set(meta.SERVED, served)
                self._ledger.set(meta.NEXT_JOB, 1)
                customers.forget_from(self._ledger, 1)
        return self._ledger.get(meta.NEXT_JOB)

    async def _records(self, job_ids: Sequence[str]) -> list[ChainJob | BaseException | None]:
        """Returns the chain's record of each job, or the exception of its query."""
        return await asyncio.gather(*(self._chain.job(job_id) for job_id in job_ids), return_exceptions=True)

    async def _adopt(
        self, job_ids: Sequence[str], records: Sequence[ChainJob | BaseException | None]
    ) -> None:
        adopted: list[Job] = []
        readable: list[str] = []
        decided = self._gate.batch([*map(_number, job_ids)], self._clock.now())
        for job_id, record in zip(job_ids, records, strict=True):
            if isinstance(record, BaseException) and not isinstance(record, Unreadable):
                raise record
            try:
                adopted += await self._considered(job_id, record, decided)
            except Unreadable as error:
                self._set_aside(job_id, str(error))
            else:
                readable.append(job_id)
        self._commit(job_ids, readable, adopted, decided)

    async def _considered(
        self, job_id: str, record: ChainJob | BaseException | None, decided: AdmissionBatch
    ) -> list[Job]:
        """Returns the job if it is new and served, and its customer's limits allow it.

        Ids are dense: a missing record means that the node lags.
        """
        if isinstance(record, BaseException):
            raise record
        if record is None:
            raise Unreadable(f"{job_id} is below the chain's counter, but the node has no record of it yet")
        if not self._admission.ours(record) or self._ledger.job(job_id) is not None:
            return []
        if record.state is not State.PENDING:  # it was accepted before, or is over
            return [await self._admission.job(record)]
        decision = decided.decide(_number(job_id), record.spec)
        if isinstance(decision, Later):
            return []
        return [await self._admission.job(record, decision.reason if isinstance(decision, Refuse) else "")]

    def _set_aside(self, job_id: str, why: str) -> None:
        log.error(
            "job_unreadable",
            job=job_id,
            why=why,
            next="the job is quarantined; its record is read again every minute",
        )
        with self._ledger.write():
            self._ledger.quarantine(job_id, why, self._clock.now())

    def _commit(
        self,
        job_ids: Sequence[str],
        readable: Sequence[str],
        adopted: Sequence[Job],
        decided: AdmissionBatch,
    ) -> None:
        now = self._clock.now()
        following = _beyond(self._ledger.get(meta.NEXT_JOB), job_ids)
        with self._ledger.write():
            self._ledger.set(meta.NEXT_JOB, following)
            self._gate.store([*map(_number, job_ids)], adopted, decided, now)
            for job_id in readable:
                self._ledger.release_quarantine(job_id)
            for job in adopted:
                self._ledger.save_job(job)
                if job.hold:
                    self._ledger.add_event(job.spec.job_id, EventKind.IGNORED, job.message, now)
                else:
                    self._ledger.add_event(
                        job.spec.job_id,
                        EventKind.ADOPTED,
                        job.message or f"state on chain: {job.reported}",
                        now,
                    )
        for job in adopted:
            if job.hold:
                log.warning(
                    "job_ignored", job=job.spec.job_id, reason=job.hold, why=job.message, next=IGNORED_NEXT
                )
            else:
                log.info(
                    "job_adopted",
                    job=job.spec.job_id,
                    cluster=job.spec.cluster_id,
                    state=job.state,
                    why=job.message,
                )
        self._gate.log_held(decided, now)
        if adopted:
            self._poke()

    # --- changes of jobs that we follow ---

    def _sweep_due(self) -> bool:
        return self._clock.now() - self._swept_at >= SWEEP_SECONDS

    async def _changes(self) -> None:
        head = await self._chain.head()
        job_ids = [
            job_id for cluster_id in self._served_clusters for job_id in self._ledger.open_ids(cluster_id)
        ]
        seen = self._ledger.get(meta.CANCELS_HEIGHT)
        first = max(1, (head.height if seen is None else seen) - CANCEL_OVERLAP)
        cancelled = await self._cancelled(first, frozenset(job_ids))
        sweep, now = self._sweep_due(), self._clock.now()
        suspects = frozenset(job_ids) if sweep else cancelled | self._ledger.overdue(head.time)
        on_hold = self._ledger.on_hold()
        reread = dict.fromkeys([*(job_id for job_id in job_ids if job_id in suspects), *on_hold])
        jobs = [job for job_id in reread if (job := self._ledger.job(job_id))]
        await self._reread([job for job in jobs if job.reported not in TERMINAL])
        with self._ledger.write():
            self._ledger.set(meta.CANCELS_HEIGHT, head.height)
            if sweep:
                customers.prune(self._ledger, now)
                self._ledger.set(meta.SWEPT_AT, now)
                self._ledger.set(meta.CHAIN_AHEAD, head.time - now)
        if sweep:
            self._swept_at = now

    async def _cancelled(self, height: int, job_ids: frozenset[str]) -> frozenset[str]:
        """Returns the cancelled open jobs; all open jobs if the node has no transaction index."""
        chain = self._chain.chain_id
        try:
            cancelled = await self._chain.cancelled_since(height) & job_ids
        except Transient as error:
            if self._ongoing.start("cancel_events_not_indexed", chain, self._clock.now()):
                log.warning(
                    "cancel_events_not_indexed",
                    chain=chain,
                    why=str(error),
                    next="every open job is read at each tick instead; use a node with a transaction index",
                )
            return job_ids
        if self._ongoing.clear("cancel_events_not_indexed", chain):
            log.info("cancel_events_indexed", chain=chain)
        return cancelled

    async def _reread(self, jobs: Sequence[Job]) -> None:
        """Compares jobs with one endpoint, and changes with a quorum: a false cancel kills a paid job."""
        for start in range(0, len(jobs), BATCH):
            some = jobs[start : start + BATCH]
            glances = await asyncio.gather(
                *(self._chain.glance(job.spec.job_id) for job in some), return_exceptions=True
            )
            changed = [
                job.spec.job_id for job, seen in zip(some, glances, strict=True) if _may_have_moved(job, seen)
            ]
            failed: BaseException | None = None
            for job_id, record in zip(changed, await self._records(changed), strict=True):
                if isinstance(record, BaseException) and not isinstance(record, Unreadable):
                    failed = record
                else:
                    await self._compare(job_id, record)
            if failed is not None:
                raise failed

    async def _compare(self, job_id: str, record: ChainJob | BaseException | None) -> None:
        """Applies a record to its job, unless it belongs to another job."""
        job = self._ledger.job(job_id)
        if isinstance(record, Unreadable) and job is not None and job.hold is None:
            log.error(
                "job_unreadable",
                job=job_id,
                why=str(record),
                next="the record is read again every minute; other jobs continue",
            )
        agrees = self._job_records.agrees(job_id, record)
        if isinstance(record, ChainJob):
            if agrees:
                self._learn(job_id, record)
            else:
                await self._replace(job_id, record)

    async def _replace(self, job_id: str, record: ChainJob) -> None:
        """Adopts the chain's other job under this number, if nothing of the disowned one is left in SLURM."""
        job = self._ledger.job(job_id)
        if job is None or not job.disowned or job.closed_at is None:
            return
        with self._ledger.write():
            kept_as = self._ledger.drop_job(
                job_id, "the chain has another job under this number", self._clock.now()
            )
        log.warning(
            "job_dropped",
            job=job_id,
            kept_as=kept_as,
            next="the chain's job with this number is adopted; the old rows stay under the id in `kept_as`",
        )
        await self._adopt([job_id], [record])

    def _learn(self, job_id: str, record: ChainJob) -> None:
        with self._ledger.write():
            job = self._ledger.job(job_id)
            if job is None or not _moved(job, record):
                return
            self._ledger.save_job(confirm(job, record.state, record.started_at))
            self._ledger.add_event(
                job_id, EventKind.CHAIN_STATE, f"{record.state}: {record.status_message}", self._clock.now()
            )
        log.info("job_changed_on_chain", job=job_id, state=record.state)
        self._poke()


def _batches(job_ids: Iterable[str]) -> Iterator[list[str]]:
    """Splits the ids into batches: one node states how many there are, and may be wrong."""
    rest = iter(job_ids)
    while some := list(islice(rest, BATCH)):
        yield some


def _number(job_id: str) -> int:
    return int(job_id.removeprefix("JOB-"))


def _job_id(number: int) -> str:
    return f"JOB-{number}"


def _beyond(first: int, job_ids: Sequence[str]) -> int:
    """Returns the first number not yet read. A quarantined job may be far ahead of the next ones."""
    for number in sorted(map(_number, job_ids)):
        first += number == first
    return first


def _may_have_moved(job: Job, seen: ChainJob | BaseException | None) -> bool:
    """Returns whether a quorum must confirm: no readable record, or one that differs from the ledger."""
    if isinstance(seen, BaseException):
        if not isinstance(seen, Transient | Unreadable):
            raise seen
        return True
    return seen is None or job.hold is not None or not same_request(job.spec, seen.spec) or _moved(job, seen)


def _moved(job: Job, record: ChainJob) -> bool:
    ahead = record.state in TERMINAL or bool(route(job.reported, record.state))
    return job.reported not in TERMINAL and record.state is not job.reported and ahead
