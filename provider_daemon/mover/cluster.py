"""The mover's loop for one cluster: reads the ledger and its own rows, and starts the steps that are due."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from provider_daemon.errors import ProvdError, Transient
from provider_daemon.job.transfer import InputState, Transfer
from provider_daemon.mover import plan
from provider_daemon.mover.backoff import Backoff
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.plan import Step
from provider_daemon.mover.ports import Ledger, SourceProblem
from provider_daemon.ports import Clock
from provider_daemon.transfers.rows import Delivery, JobTransfer
from provider_daemon.transfers.writer import TransferWriter

log = structlog.get_logger("provd.mover")

STAGING_SECONDS = 86_400.0  # after which inputs that cannot be fetched are given up
CLOSED_AT_ONCE = 1000
STEPS_PER_CUSTOMER = 64  # at a time
OVERLAP_SECONDS = 86_400.0
AT_SITE = "the site's file system cannot be used at the moment"

Work = Callable[[JobFacts, JobTransfer], Awaitable[None]]


@dataclass(slots=True)
class Counts:
    """Since the start: steps that ended, by step and outcome (done, retried, failed)."""

    steps: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, step: Step, outcome: str) -> None:
        self.steps[step, outcome] = self.steps.get((step, outcome), 0) + 1


@dataclass(frozen=True, slots=True)
class Running:
    step: Step
    task: "asyncio.Task[None]"
    customer: str


class ClusterMover:
    """`work`: what is done in each step that takes time. One step of a job runs at a time."""

    def __init__(
        self,
        cluster_id: str,
        work_root: str,
        retention_seconds: float,
        ledger: Ledger,
        store: TransferWriter,
        work: Mapping[Step, Work],
        clock: Clock,
    ) -> None:
        self._cluster_id = cluster_id
        self._work_root = work_root
        self._retention = retention_seconds
        self._ledger = ledger
        self._store = store
        self._work = work
        self._clock = clock
        self._backoff = Backoff()
        self._running: dict[str, Running] = {}
        self._steps = Counter[str]()  # that run, by customer
        self._closed: tuple[float, str] | None = (
            None  # the end and the id of the last closed job that was read
        )
        self.counts = Counts()
        self.jobs: dict[str, JobFacts] = {}
        self.rows: dict[str, JobTransfer] = {}
        self.unknown = 0  # rows whose job the ledger does not have

    @property
    def retrying(self) -> int:
        return self._backoff.waiting

    @property
    def busy(self) -> int:
        return len(self._running)

    def tick(self) -> None:
        """Starts what is due, and ends what is not wanted any more. Raises Transient."""
        now = self._clock.now()
        self.jobs = {job.name: job for job in self._ledger.open_jobs(self._cluster_id)}
        self.rows = {row.name: row for row in self._store.unfinished(self._cluster_id, now)}
        self._add_missing()
        self._add_closed(now)
        self._add_rows([job for name, job in self.jobs.items() if name not in self.rows], now)
        for name in {**self.rows, **self.jobs}:
            self._advance(self.jobs.get(name), self.rows.get(name), now)

    async def close(self) -> None:
        """Cancels all steps: the next start repeats them."""
        tasks = [each.task for each in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _add_missing(self) -> None:
        """Looks up the jobs of rows that are not open. A number may belong to another job by now."""
        missing = {row.job_id for name, row in self.rows.items() if name not in self.jobs}
        found = {job.name: job for job in self._ledger.jobs(sorted(missing))} if missing else {}
        self.jobs |= {name: found[name] for name in self.rows if name in found}
        self.unknown = sum(name not in self.jobs for name in self.rows)

    def _add_closed(self, now: float) -> None:
        """Adds jobs that were opened and closed while the mover did not run."""
        key = f"closed:{self._cluster_id}"
        start, after = self._closed or (_earlier(self._store.get(key), now - self._retention), "")
        while page := self._ledger.closed_since(self._cluster_id, start, after, CLOSED_AT_ONCE):
            known = self._store.known(job.name for job in page)
            self._add_rows([job for job in page if job.name not in known], now)
            start, after = page[-1].closed_at or start, page[-1].job_id
            self._store.set(key, repr(start))
        self._closed = start, after

    def _advance(self, job: JobFacts | None, row: JobTransfer | None, now: float) -> None:
        name = job.name if job else row.name if row else ""
        step = plan.next_step(job, row, self._retention, now, self._work_root)
        running = self._running.get(name)
        quick = plan.QUICK if running is None else {Step.NOTE}
        while job is not None and row is not None and step is not None and step in quick:
            self._change(step, job, row)
            row = self.rows[job.name] = self._row(job)
            step = plan.next_step(job, row, self._retention, now, self._work_root)
        if running is not None:
            if running.step is not step:
                running.task.cancel()  # its job has ended, for example; a later tick starts the next step
        elif job is not None and row is not None and step is not None:
            self._start(step, job, row, now)

    def _start(self, step: Step, job: JobFacts, row: JobTransfer, now: float) -> None:
        key = f"{job.name} {step}"
        if self._steps[job.customer] >= STEPS_PER_CUSTOMER or not self._backoff.ready(key, now):
            return
        task = asyncio.create_task(self._run(step, job, row), name=key)
        self._running[job.name] = Running(step, task, job.customer)
        self._steps[job.customer] += 1
        task.add_done_callback(lambda _: self._ended(job.name))

    def _ended(self, name: str) -> None:
        customer = self._running.pop(name).customer
        self._steps[customer] -= 1
        if not self._steps[customer]:
            del self._steps[customer]

    async def _run(self, step: Step, job: JobFacts, row: JobTransfer) -> None:
        key = f"{job.name} {step}"
        try:
            await self._work[step](job, row)
        except Transient as error:
            self._again(step, job, row, error)
        except ProvdError as error:
            wait = self._backoff.failed(key, self._clock.now())
            self.counts.add(step, "failed")
            log.error("step_blocked", job=job.job_id, step=step, why=str(error), next=_again_in(wait))
        except Exception:
            wait = self._backoff.failed(key, self._clock.now())
            self.counts.add(step, "failed")
            log.exception("step_crashed", job=job.job_id, step=step, next=_again_in(wait))
        else:
            self._backoff.clear(key)
            self.counts.add(step, "done")

    def _again(self, step: Step, job: JobFacts, row: JobTransfer, error: Transient) -> None:
        now = self._clock.now()
        if step is Step.STAGE and now - row.seen_at >= STAGING_SECONDS:
            hours = STAGING_SECONDS / 3600
            why = f"the inputs could not be fetched within {hours:g} hours: {_public(error)}"
            self._store.inputs_failed(job.name, why)
            self.counts.add(step, "failed")
            log.warning("inputs_failed", job=job.job_id, why=str(error), next="the job is reported failed")
            return
        if step is Step.IMAGE and now - row.seen_at >= STAGING_SECONDS:
            hours = STAGING_SECONDS / 3600
            self._store.image_refused(job.name, f"not pulled within {hours:g} hours: {_public(error)}")
            self.counts.add(step, "failed")
            log.warning("image_refused", job=job.job_id, why=str(error), next="the job is reported failed")
            return
        wait = self._backoff.failed(f"{job.name} {step}", now)
        self.counts.add(step, "retried")
        if step is Step.STAGE:
            self._store.inputs_wait(job.name, _public(error))
        log.warning("step_failed", job=job.job_id, step=step, why=str(error), next=_again_in(wait))

    def _change(self, step: Step, job: JobFacts, row: JobTransfer) -> None:
        """Does a step that only changes the row."""
        if step is Step.NOTE:
            self._note(job, row)
        elif step is Step.NO_MANIFEST:
            self._store.no_manifest(job.name, plan.no_manifest(job, row))
        elif step is Step.NO_DELIVERY:
            self._store.set_delivery(job.name, Delivery.FAILED, plan.no_delivery(row))
        else:
            self._store.settle(job.name)

    def _add_rows(self, jobs: Sequence[JobFacts], now: float) -> None:
        """Does the step ADD for all of them in one transaction."""
        if jobs:
            self._store.add_jobs(self._new_row(job, now) for job in jobs)
        for job in jobs:
            self.jobs[job.name], self.rows[job.name] = job, self._row(job)

    def _new_row(self, job: JobFacts, now: float) -> JobTransfer:
        return JobTransfer(
            name=job.name,
            cluster_id=self._cluster_id,
            job_id=job.job_id,
            customer=job.customer,
            seen_at=now,
            transfer=Transfer(inputs=InputState.WAITING if job.inputs else InputState.READY),
            delivery=Delivery.WAITING if job.outputs_pointer else Delivery.NONE,
        )

    def _note(self, job: JobFacts, row: JobTransfer) -> None:
        if job.directory:
            self._store.set_directory(job.name, job.directory)
        expires_at = plan.expiry(job, row, self._retention)
        if job.closed_at is not None and expires_at is not None:
            self._store.set_closed(job.name, job.closed_at, expires_at)

    def _row(self, job: JobFacts) -> JobTransfer:
        row = self._store.job(job.name)
        assert row is not None, job.name  # it was written before
        return row


def _earlier(stored: str, oldest: float) -> float:
    """Returns from when on closed jobs are read at a start: the daemon's clock may have been set back."""
    return max(oldest, float(stored) - OVERLAP_SECONDS) if stored else oldest


def _public(error: Transient) -> str:
    """Returns the reason for the customer: problems of the site are described without its hosts and paths."""
    return str(error) if isinstance(error, SourceProblem) else AT_SITE


def _again_in(seconds: float) -> str:
    return f"tried again in {seconds:g} s"
