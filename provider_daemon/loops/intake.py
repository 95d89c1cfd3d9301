"""The intake loop: adopts new jobs, which the chain's job counter shows, and follows those that are open."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import structlog

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.customer_limits import Later, Refuse
from provider_daemon.job.job import Job
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State
from provider_daemon.ledger import customers, meta
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops import chain_identity
from provider_daemon.loops.admitting import JobAdmission
from provider_daemon.loops.chain_changes import ChainChanges
from provider_daemon.loops.chain_settlement import SettlementWatch
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.loops.customer_gate import AdmissionBatch, CustomerGate
from provider_daemon.loops.job_records import BATCH, read_records
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Chain, Clock

log = structlog.get_logger("provd.intake")

# Job records read in one tick: the newest, and as many of those left unread before. So a flood of jobs delays
# the next customer's job by one tick at most.
NEWEST = 16 * BATCH
UNREAD = 16 * BATCH
NEAR = 1_000  # job numbers that are read again at once when the job counter is lower than before
COUNTER_SECONDS = 60  # how long a lower job counter must last before provd uses it
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
        self._admission = JobAdmission(ledger, chain, served_clusters, clock)
        self._gate = CustomerGate(ledger, served_clusters, self._ongoing)
        self._settlement = SettlementWatch(ledger, chain)
        self._changes = ChainChanges(
            ledger, chain, served_clusters, clock, poke, self._ongoing, self._adopt_one
        )
        self._vouched = False  # the chain knew one of the ledger's jobs at the last sweep
        self._behind_since: float | None = None

    async def tick(self) -> None:
        if self._changes.sweep_due():
            self._vouched = await chain_identity.check(self._ledger, self._chain, self._clock.now())
        chain_identity.require(self._ledger)
        try:
            await self._new_jobs()
        except Transient:  # a counter that is behind must not hide changes of known jobs
            await self._changes.tick()
            raise
        await self._changes.tick()

    async def _new_jobs(self) -> None:
        end = await self._chain.job_counter()
        if self._changes.sweep_due():
            await self._settlement.examine(end)
        first = self._first_unseen()
        again = (
            [job_id for job_id in self._ledger.quarantined() if _number(job_id) < end]
            if self._changes.sweep_due()
            else []
        )
        for some in _batches(again):
            await self._adopt(some, await read_records(self._chain, some))
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
        records = await read_records(self._chain, job_ids)
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
        if any(
            await read_records(self._chain, [_job_id(number) for number in range(newest, newest + BATCH)])
        ):
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

    async def _adopt_one(self, job_id: str, record: ChainJob) -> None:
        await self._adopt([job_id], [record])

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
