"""The advance loop of one cluster: polls SLURM, decides, writes the ledger, then submits and cancels."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from provider_daemon.errors import Refused, Transient
from provider_daemon.job.data import inputs_ready, over_quota, refuse_inputs, settle
from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import (
    Action,
    Cancel,
    Submit,
    decide,
    defer,
    doubt,
    holds_slot,
    intend,
    keep_answer,
    observe,
)
from provider_daemon.job.snapshot import Snapshot
from provider_daemon.job.spec import Spec
from provider_daemon.job.state import ENDED_BY_CHAIN, TERMINAL, State
from provider_daemon.job.transfer import Transfer
from provider_daemon.job.turns import in_turn
from provider_daemon.job.usage_record import SnapshotType
from provider_daemon.ledger import customers
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.loops.concurrent import run_all
from provider_daemon.loops.customer_policy import current
from provider_daemon.loops.customer_slots import CustomerSlots
from provider_daemon.loops.job_log import record_changes
from provider_daemon.loops.leasing import Leasing
from provider_daemon.loops.maintenance_hold import MaintenanceHold
from provider_daemon.loops.reporting import keep_evidence, store_reports
from provider_daemon.loops.stale_ledger import StaleLedger
from provider_daemon.loops.submission_pause import SubmissionPause
from provider_daemon.loops.unreadable_rows import UnreadableRows
from provider_daemon.loops.watched_jobs import followed, watch
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock, PoolSite, Scheduler, Submission, SubmissionResult, Transfers
from provider_daemon.slurm.commands import ORDERS_A_COMMAND
from provider_daemon.slurm.script import render
from provider_daemon.usage_records.recorder import Interim, take

log = structlog.get_logger("provd.advance")

COMMANDS_AT_ONCE = 2
COMMANDS_OF_USERS_AT_ONCE = 8  # those of several users hold few jobs each, and have connections of their own


@dataclass(frozen=True, slots=True)
class Step:
    """A job as the poll left it, and the next action on it."""

    job: Job
    action: Action = None
    order: Submission | None = None


class Advance:
    """Runs one cluster's poll, decision and commands. `poke` wakes the outbox when reports were stored.

    `transfers`: what the data mover has done; None if no mover serves the cluster. `pool_site`: where the
    pool's users are leased; None without a pool.
    """

    def __init__(
        self,
        ledger: Ledger,
        scheduler: Scheduler,
        served: ServedCluster,
        clock: Clock,
        poke: Callable[[], None],
        ongoing: OngoingProblems | None = None,
        transfers: Transfers | None = None,
        pool_site: PoolSite | None = None,
    ) -> None:
        self._ledger = ledger
        self._scheduler = scheduler
        self._served = served
        self._clock = clock
        self._poke = poke
        self._ongoing = ongoing or OngoingProblems()
        self._transfers = transfers
        self._pause = SubmissionPause(served.name, clock, self._ongoing)
        self._slots = CustomerSlots(ledger)
        self._maintenance = MaintenanceHold(ledger, served.cluster_id)
        self._stale_ledger = StaleLedger(ledger, served.cluster_id)
        self._bad_rows = UnreadableRows(ledger, served.cluster_id, served.name)
        self._interim = Interim(ledger, served.signer, clock)
        self._leasing = pool_site and Leasing(
            ledger, pool_site, served.cluster_id, served.name, clock, self._ongoing
        )

    def reconfigure(self, served: ServedCluster) -> None:
        """Replaces the settings of the same cluster and key. A running tick uses them from here on."""
        self._served = served

    async def tick(self) -> None:
        since = self._stale_ledger.stale_until(self._clock.now())
        self._bad_rows.park(self._clock.now())
        jobs = self._ledger.open_jobs(self._served.cluster_id)
        self._bad_rows.name()
        if not jobs:
            return
        if self._leasing and self._served.pool:
            jobs = await self._leasing.assign(jobs, self._served.pool)
        doubted = [doubt(job, since, self._stale_ledger.chain_ahead()) for job in jobs]
        snapshot = await self._scheduler.snapshot(watch(doubted))
        steps = self._think(doubted, snapshot, self._moved(jobs))
        self._write({job.spec.job_id: job for job in jobs}, steps)
        self._interim.take([step.job for step in steps], snapshot)
        await self._act(steps)

    # --- think ---

    def _moved(self, jobs: Sequence[Job]) -> Mapping[str, Transfer]:
        """Returns the data mover's facts. Without them jobs with inputs wait, and final reports a while."""
        if self._transfers is None:
            return {}
        now = self._clock.now()
        try:
            found = self._transfers.facts(job.name for job in jobs)
        except Transient as error:
            if self._ongoing.start("transfers_unreadable", self._served.name, now, str(error)):
                log.warning(
                    "transfers_unreadable",
                    cluster=self._served.name,
                    why=str(error),
                    next="jobs with inputs wait; check that `provd mover` runs",
                )
            return {}
        if self._ongoing.clear("transfers_unreadable", self._served.name):
            log.info("transfers_readable_again", cluster=self._served.name)
        return found

    def _think(self, jobs: Sequence[Job], snapshot: Snapshot, moved: Mapping[str, Transfer]) -> list[Step]:
        now = self._clock.now()
        self._pause.begin_tick()
        self._maintenance.begin(now)
        latest = now + self._stale_ledger.chain_ahead()
        observed = [
            self._with_data(
                self._observed(before, snapshot, now, latest), moved.get(before.name), now, latest
            )
            for before in jobs
        ]
        steps = [self._decide(job, snapshot, moved.get(job.name)) for job in observed]
        waiting = [(step.job.spec.customer, step) for step in steps if isinstance(step.action, Submit)]
        others = [step for step in steps if not isinstance(step.action, Submit)]
        active = [step.job.spec for step in others if holds_slot(step.job, snapshot)]
        order = in_turn(waiting, [spec.customer for spec in active])
        return others + self._submissions(order, active, moved)

    def _observed(self, before: Job, snapshot: Snapshot, now: float, latest: float) -> Job:
        return self._served.located(observe(before, snapshot, now, latest), snapshot)

    def _with_data(self, job: Job, transfer: Transfer | None, now: float, latest: float) -> Job:
        """Applies what the data mover has done for the job."""
        if not (job.parked or job.hold):
            job = over_quota(job, transfer)
        return settle(job, transfer, now, latest, self._served.data)

    def _decide(self, job: Job, snapshot: Snapshot, transfer: Transfer | None) -> Step:
        """Returns the next step.

        A job is not submitted before it has a Unix user and its inputs, nor into a maintenance window.
        """
        action = decide(job, snapshot)
        if not isinstance(action, Submit):
            return Step(job, action)
        if job.end_reason:
            return Step(replace(job, state=State.FAILED, message=job.end_reason, intent_at=None))
        if self._served.lacks_user(job) or self._maintenance.holds(job):
            return Step(job)
        job = refuse_inputs(job, transfer)
        return Step(job, action if job.state not in TERMINAL and inputs_ready(job, transfer) else None)

    def _submissions(
        self, waiting: Sequence[Step], active: Sequence[Spec], moved: Mapping[str, Transfer]
    ) -> list[Step]:
        """Returns a step for each waiting job. Only as many as the limits allow are submissions."""
        steps, slots = list[Step](), len(active)
        self._slots.begin(current(self._ledger, self._served), active)
        for waits in waiting:
            step = Step(waits.job)
            if self._slots.admits(waits.job.spec):
                step = self._step(waits.job, slots, moved.get(waits.job.name, Transfer()))
            if step.order is not None:
                slots += 1
                self._slots.took(waits.job.spec)
            steps.append(step)
        return steps

    def _step(self, job: Job, active: int, transfer: Transfer) -> Step:
        full = self._served.max_jobs and active >= self._served.max_jobs
        if (
            full
            or self._stale_ledger.needs_resync()
            or not self._pause.admits(job.spec.job_id, job.spec.queue)
        ):
            return Step(job)
        try:
            directory = self._served.directory(job)
            script = render(self._served.batch(job, directory, transfer.image, inputs=bool(transfer.staged)))
            order = Submission(job.name, script, directory, transfer.staged, job.user, transfer.image)
        except Refused as reason:
            return Step(replace(job, state=State.FAILED, message=str(reason), intent_at=None))
        return Step(job, Submit(), order)

    # --- write once ---

    def _write(self, before: dict[str, Job], steps: Sequence[Step]) -> None:
        """Merges the steps into the current rows, because other loops may have written during the poll."""
        now, promised = self._clock.now(), False
        with self._ledger.write():
            for step in steps:
                job_id = step.job.spec.job_id
                newest = self._ledger.job(job_id) or step.job
                job = merge(step.job, before[job_id], newest)
                promised |= self._save(before[job_id], newest, job, now)
            self._slots.write(now)
            self._maintenance.write(now)
        if promised:
            self._poke()

    def _save(self, before: Job, newest: Job, job: Job, now: float) -> bool:
        """Saves one job. Returns whether a report was stored."""
        signer = self._served.signer
        told = job if job.parked else store_reports(self._ledger, job, signer, now, self._served.data)
        if told.usage is not None and told.settled and not before.settled:
            take(self._ledger, told, SnapshotType.FINAL, told.usage, signer, now)
            if told.reported in TERMINAL:
                keep_evidence(self._ledger, told, signer, now, self._served.data)
        elif told.closed_at is not None and before.closed_at is None and told.measured:
            self._keep_what_was_not_reported(told, now)
        if told != newest:
            self._ledger.save_job(told)
            record_changes(self._ledger, self._served.name, before, told, now)
            if told.usage != newest.usage or told.closed_at != newest.closed_at:
                customers.used(self._ledger, told)
        return told.promised is not newest.promised

    def _keep_what_was_not_reported(self, job: Job, now: float) -> None:
        """Keeps the evidence of a job that was on hold when it ended and that the chain ended unreported."""
        if job.reported in ENDED_BY_CHAIN and not self._ledger.has_last_report(job.spec.job_id):
            keep_evidence(self._ledger, job, self._served.signer, now, self._served.data)

    # --- act ---

    async def _act(self, steps: Sequence[Step]) -> None:
        """Runs cancels and submissions concurrently. Raises the first failure, if any."""
        cancels = [step.job for step in steps if isinstance(step.action, Cancel)]
        orders = {step.job.spec.job_id: step.order for step in steps if step.order is not None}
        if self._leasing and (users := {order.user for order in orders.values() if order.user}):
            await self._leasing.renew(users)
        gate = asyncio.Semaphore(commands_at_once(orders.values()))
        work = [self._submit(batch, gate) for batch in batches(orders)]
        await run_all([*work, *([self._cancel(cancels)] if cancels else [])])

    async def _cancel(self, jobs: Sequence[Job]) -> None:
        log.info("scancel", cluster=self._served.name, slurm_jobs=[job.slurm_id for job in jobs])
        await self._scheduler.cancel(followed(jobs))

    async def _submit(self, orders: dict[str, Submission], gate: asyncio.Semaphore) -> None:
        """Submits one batch. Intents are written just before the command: waiting windows start there."""
        async with gate:
            wanted = self._intend(orders)
            if not wanted:
                return
            try:
                receipts = await self._scheduler.submit(wanted)
            except Transient as error:
                log.warning(
                    "submission_unanswered",
                    cluster=self._served.name,
                    jobs=len(wanted),
                    why=str(error),
                    next="provd searches SLURM for their names before it submits them again",
                )
                return
        self._record({order.name: job_id for job_id, order in orders.items()}, receipts)

    def _intend(self, orders: dict[str, Submission]) -> list[Submission]:
        """Commits the intents. Jobs that were cancelled or parked, or lost their user, are left out."""
        now, wanted = self._clock.now(), list[Submission]()
        with self._ledger.write():
            jobs = [job for job_id in orders if (job := self._ledger.job(job_id))]
            admitted = self._leasing.admitted(jobs) if self._leasing else orders.keys()
            for job in jobs:
                job_id, order = job.spec.job_id, orders[job.spec.job_id]
                if _may_be_sent(job) and job_id in admitted and job.user == order.user:
                    self._ledger.save_job(intend(job, now, order.directory, order.image))
                    self._ledger.add_event(
                        job_id, EventKind.INTENT, f"sbatch {order.name}, attempt {job.attempt + 1}", now
                    )
                    wanted.append(order)
        return wanted

    def _record(self, job_ids: Mapping[str, str], receipts: Sequence[SubmissionResult]) -> None:
        now = self._clock.now()
        with self._ledger.write():
            for receipt in receipts:
                if job := self._ledger.job(job_ids[receipt.name]):
                    self._receive(job, receipt, now)
        self._poke()

    def _receive(self, job: Job, receipt: SubmissionResult, now: float) -> None:
        cluster = self._served.name
        self._pause.note(job.spec.job_id, job.spec.queue, receipt)
        if receipt.unknown:
            log.warning(
                "submission_unknown",
                job=job.spec.job_id,
                cluster=cluster,
                why=receipt.unknown,
                next="provd searches SLURM for the job's name before it submits again",
            )
            self._ledger.save_job(keep_answer(job, receipt.unknown, of_site=receipt.trouble is not None))
            self._ledger.add_event(job.spec.job_id, EventKind.SBATCH_UNKNOWN, receipt.unknown, now)
            return
        if receipt.deferral:
            self._ledger.save_job(defer(job, receipt.deferral))
            if receipt.deferral != job.sbatch_answer:
                self._ledger.add_event(job.spec.job_id, EventKind.SBATCH_DEFERRED, receipt.deferral, now)
            return
        if receipt.refusal:
            after = replace(job, state=State.FAILED, message=receipt.refusal, intent_at=None)
        else:
            state = State.QUEUED if job.state is State.PENDING else job.state
            after = replace(job, slurm_id=receipt.slurm_id, state=state)
        after = store_reports(self._ledger, after, self._served.signer, now)
        self._ledger.save_job(after)
        record_changes(self._ledger, self._served.name, job, after, now)


def commands_at_once(orders: Iterable[Submission]) -> int:
    several = len({order.user for order in orders}) > 1
    return COMMANDS_OF_USERS_AT_ONCE if several else COMMANDS_AT_ONCE


def batches(orders: Mapping[str, Submission]) -> list[dict[str, Submission]]:
    """Splits submissions, by job id, into those of one command each: of one user, and not too many."""
    by_user: dict[str, list[str]] = {}
    for job_id, order in orders.items():
        by_user.setdefault(order.user, []).append(job_id)
    return [
        {job_id: orders[job_id] for job_id in job_ids[start : start + ORDERS_A_COMMAND]}
        for job_ids in by_user.values()
        for start in range(0, len(job_ids), ORDERS_A_COMMAND)
    ]


def _may_be_sent(job: Job) -> bool:
    """Returns whether a submission that was decided is still wanted: reported states come from SLURM jobs."""
    never_ran = job.reported is State.PENDING or (bool(job.unclaimed) and job.reported not in TERMINAL)
    return never_ran and not (job.parked or job.hold or job.end_reason)


def merge(ours: Job, before: Job, newest: Job) -> Job:
    """Adds to this tick's job what other loops wrote during the poll: the chain's record, parks, holds."""
    if before.parked and not newest.parked:  # unparked by an operator, whose decision applies completely
        ours = replace(
            ours, missing_since=newest.missing_since, attempt=newest.attempt, gpus_forgone=newest.gpus_forgone
        )
        ours = replace(ours, record_accepted=newest.record_accepted, unclaimed=newest.unclaimed)
    if newest.written_off and not before.written_off:  # by an operator, whose decision applies completely
        ours = replace(newest, closed_at=ours.closed_at)
    closed_at = ours.closed_at if newest.disowned == before.disowned else newest.closed_at
    return replace(
        ours,
        spec=newest.spec,
        reported=newest.reported,
        promised=newest.promised,
        chain_started_at=newest.chain_started_at,
        parked=ours.parked if newest.parked == before.parked else newest.parked,
        hold=newest.hold,
        hold_since=newest.hold_since,
        disowned=newest.disowned,
        end_reason=newest.end_reason,
        written_off=newest.written_off,
        closed_at=closed_at,
    )
