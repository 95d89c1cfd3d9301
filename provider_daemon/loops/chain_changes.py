"""What the chain changes about open jobs: cancellations, its own time limits, and records of other jobs.

Cancellations are found by their transactions. A slow sweep reads every open job, so that nothing is missed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import confirm
from provider_daemon.job.spec import ChainJob, same_request
from provider_daemon.job.state import TERMINAL, route
from provider_daemon.ledger import customers, meta
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.loops.job_records import BATCH, JobRecords, read_records
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Chain, Clock

log = structlog.get_logger("provd.intake")

SWEEP_SECONDS = 60  # how long a change without an event can stay unnoticed
CANCEL_OVERLAP = 20  # blocks read again: a node's index may lag behind its height


class ChainChanges:
    """Follows the open jobs of all clusters, as a part of the intake loop.

    `poke` wakes the loops that act on a change. `adopt` adopts a job that the chain has under the number of
    one that was dropped.
    """

    def __init__(
        self,
        ledger: Ledger,
        chain: Chain,
        served_clusters: Mapping[str, ServedCluster],
        clock: Clock,
        poke: Callable[[], None],
        ongoing: OngoingProblems,
        adopt: Callable[[str, ChainJob], Awaitable[None]],
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._served_clusters = served_clusters
        self._clock = clock
        self._poke = poke
        self._ongoing = ongoing
        self._adopt = adopt
        self._job_records = JobRecords(ledger, chain, clock)
        self._swept_at = 0.0

    def sweep_due(self) -> bool:
        """Returns whether every open job has to be read, and not only those with an event."""
        return self._clock.now() - self._swept_at >= SWEEP_SECONDS

    async def tick(self) -> None:
        head = await self._chain.head()
        job_ids = [
            job_id for cluster_id in self._served_clusters for job_id in self._ledger.open_ids(cluster_id)
        ]
        seen = self._ledger.get(meta.CANCELS_HEIGHT)
        first = max(1, (head.height if seen is None else seen) - CANCEL_OVERLAP)
        cancelled = await self._cancelled(first, frozenset(job_ids))
        sweep, now = self.sweep_due(), self._clock.now()
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
            for job_id, record in zip(changed, await read_records(self._chain, changed), strict=True):
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
        await self._adopt(job_id, record)

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
