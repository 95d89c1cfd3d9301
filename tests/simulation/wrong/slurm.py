"""Errors about SLURM: the meaning of a snapshot, when to submit, what a job used, how it ended."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from provider_daemon.errors import Transient
from provider_daemon.job import lifecycle, outcome, own_slurm_job, usage
from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import Action, Cancel
from provider_daemon.job.snapshot import Phase, Sighting, Snapshot
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.job.usage import Usage
from provider_daemon.ledger.meta import Key
from provider_daemon.loops import advance
from provider_daemon.loops.submission_pause import SubmissionPause
from provider_daemon.loops.watched_jobs import followed
from provider_daemon.ports import Submission, SubmissionResult
from provider_daemon.slurm import accounting, failures, scheduler
from provider_daemon.slurm.accounting import AccountingRow
from provider_daemon.slurm.parse import Submitted
from provider_daemon.slurm.scheduler import Ended, SlurmScheduler
from tests.simulation.wrong import Changes

LOOK, ACCOUNT, BY_JOB = SlurmScheduler.snapshot, SlurmScheduler._accounting, accounting.by_job
TOLD = Key("told", str, "")  # names of the jobs that a wrong version has cancelled before
RECEIPT = failures.receipt
PICK, DECIDE, LEARN, FINISH, MEASURE = (
    own_slurm_job.pick,
    lifecycle.decide,
    lifecycle._learn,
    outcome.finish,
    usage.measure,
)

# --- polls ---


async def failed_poll(self: Any, watch: Any) -> Snapshot:
    try:
        return await LOOK(self, watch)
    except Transient:
        return Snapshot(self._clock.now(), True, {})


async def sacct_alone(self: Any, watch: Any) -> Snapshot:
    """squeue is down: sacct's rows are considered complete."""
    try:
        return await LOOK(self, watch)
    except Transient:
        ended = await self._accounting(watch, watch.names)
        return Snapshot(self._clock.now(), True, accounting.merge([], ended.sightings))


async def incomplete(self: Any, watch: Any) -> Snapshot:
    return replace(await LOOK(self, watch), complete=True)


def id_only(job: Job, snapshot: Snapshot) -> Sighting | None:
    return PICK(job, snapshot) if job.slurm_id else None


def ids_without_names(found: Any, names: frozenset[str], since: int) -> list[Sighting]:
    """All records of an id are one job's."""
    jobs: dict[str, list[AccountingRow]] = {}
    for row in found:
        if row.name in names:
            jobs.setdefault(row.slurm_id, []).append(row)
    return [accounting.ended(records) for records in jobs.values()]


async def strangers(self: Any, watch: Any, missing: frozenset[str]) -> Ended:
    """Assumes that the job that has our job's id is our job."""
    owner = {slurm_id: name for name, slurm_id in watch.slurm_ids.items()}
    reading, _ = await self._rows(sorted(owner), sorted(missing), watch.since)
    rows = [replace(row, name=owner.get(row.slurm_id, row.name)) for row in reading.rows]
    return Ended(BY_JOB(rows, missing, watch.since), reading.unread)


def record_over_squeue(
    live: Sequence[Sighting], ended: Sequence[Sighting]
) -> dict[str, tuple[Sighting, ...]]:
    found: dict[str, tuple[Sighting, ...]] = {seen.name: (seen,) for seen in live}
    return found | {seen.name: (seen,) for seen in ended if seen.final or seen.name not in found}


def unknown_is_failed(job: Job, seen: Sighting, now: float, latest: float) -> Job:
    return (
        replace(job, state=State.FAILED, usage=Usage())
        if seen.phase is Phase.UNKNOWN
        else LEARN(job, seen, now, latest)
    )


def ended_without_record(job: Job, seen: Sighting, now: float, latest: float) -> Job:
    return (
        replace(job, state=State.COMPLETED, usage=Usage())
        if seen.phase is Phase.ENDING
        else LEARN(job, seen, now, latest)
    )


def absence_is_failure(job: Job, snapshot: Snapshot, now: float) -> Job:
    gone = job.slurm_id and snapshot.complete and job.state not in TERMINAL
    return replace(job, state=State.FAILED, usage=Usage()) if gone else job


# --- submitting and cancelling ---


def memory_only(self: Any, orders: Mapping[str, Submission]) -> list[Submission]:
    return list(orders.values())


async def intent_afterwards(self: Any, orders: dict[str, Submission], gate: asyncio.Semaphore) -> None:
    receipts = await self._scheduler.submit(list(orders.values()))
    self._intend(orders)
    self._record({order.name: job_id for job_id, order in orders.items()}, receipts)


def doubt_is_refusal(receive: Callable[..., None]) -> Callable[..., None]:
    def wrong(self: Any, job: Job, receipt: Any, now: float) -> None:
        receive(self, job, replace(receipt, refusal=receipt.unknown or receipt.refusal, doubt=""), now)

    return wrong


def deferral_counts(job: Job, answer: str) -> Job:
    return replace(job, intent_at=None)


def doubt_counts(job: Job, answer: str, *, of_site: bool) -> Job:
    return replace(job, sbatch_answer=answer)


def lost_is_not_queued(answer: Submitted) -> SubmissionResult:
    """A problem of the site is considered proof that nothing was queued."""
    receipt = RECEIPT(answer)
    return (
        replace(receipt, unknown="", deferral=receipt.unknown)
        if receipt.trouble and receipt.unknown
        else receipt
    )


def trouble_is_refusal(answer: Submitted) -> SubmissionResult:
    receipt = RECEIPT(answer)
    return SubmissionResult(receipt.name, refusal=receipt.deferral) if receipt.deferral else receipt


def full_is_refusal(job: Job, answer: str) -> Job:
    return replace(job, state=State.FAILED, message="the site is full", intent_at=None)


def cancels_never(job: Job, snapshot: Snapshot) -> Action:
    """Cancels only what the chain ended; a job that can never start waits forever."""
    action = DECIDE(job, snapshot)
    return None if isinstance(action, Cancel) and job.refused else action


async def cancel_once(self: Any, jobs: Sequence[Job]) -> None:
    told = self._ledger.get(TOLD).split()
    fresh = [job for job in jobs if job.name not in told]
    with self._ledger.write():
        self._ledger.set(TOLD, " ".join([*told, *(job.name for job in fresh)]))
    await self._scheduler.cancel(followed(fresh))


# --- what it used ---


def last_run(runs: Sequence[Any], gpus: int) -> Usage:
    return MEASURE(runs[-1:], gpus)


def records_summed(runs: Sequence[Any], gpus: int) -> Usage:
    """Counts each record in full, whether or not others cover the same time."""
    return MEASURE([replace(run, start=0) for run in runs], gpus)


def first_node_only(runs: Sequence[Any], gpus: int) -> Usage:
    return MEASURE([replace(run, cpus=run.cpus // max(run.nodes, 1)) for run in runs], gpus)


def as_requested(job: Job, seen: Sighting, latest: float) -> Job:
    done, asked = FINISH(job, seen, latest), job.spec.resources
    if done.usage is None:
        return done
    seconds = done.usage.wall_clock_seconds
    return replace(
        done, usage=replace(done.usage, cpu_core_seconds=seconds * asked.cpus_per_node * asked.nodes)
    )


def gpus_for_nothing(runs: Sequence[Any], gpus: int) -> Usage:
    return MEASURE(runs, 0)


def timed_out_is_failed(job: Job, seen: Sighting) -> tuple[State, str]:
    return seen.outcome or State.FAILED, ""


def _pauses_apart(self: Any) -> None:
    for scope, pause in self._pauses.items():
        if self._asked[scope] <= pause.probed:
            pause.probed = frozenset()
        pause.probing = ""
    self._asked.clear()


SLURM: dict[str, Changes] = {
    "no waiting window": ((lifecycle, "WAITING_WINDOW", 0),),
    "a failed poll counts as absence": ((SlurmScheduler, "snapshot", failed_poll),),
    "sacct alone is a complete poll": ((SlurmScheduler, "snapshot", sacct_alone),),
    "an incomplete poll counts as complete": ((SlurmScheduler, "snapshot", incomplete),),
    "absence counts as an end": ((lifecycle, "_unseen", absence_is_failure),),
    "an unreadable record counts as absence": (
        (scheduler, "concerned", lambda unread, names, ids: frozenset()),
    ),
    "no search by name": ((lifecycle, "pick", id_only),),
    "the intent is not durable": ((advance.Advance, "_intend", memory_only),),
    "the intent is written after sbatch": ((advance.Advance, "_submit", intent_afterwards),),
    "an unknown outcome counts as a refusal": (
        (advance.Advance, "_receive", doubt_is_refusal(advance.Advance._receive)),
    ),
    "a full site counts as a refusal": ((advance, "defer", full_is_refusal),),
    "a site's problem counts as an attempt": (
        (advance, "defer", deferral_counts),
        (advance, "keep_answer", doubt_counts),
    ),
    "a site's problem proves that nothing was queued": ((failures, "receipt", lost_is_not_queued),),
    "a site's problem counts as a refusal": ((failures, "receipt", trouble_is_refusal),),
    "two pauses wait for each other": ((SubmissionPause, "begin_tick", _pauses_apart),),
    "all records of one id belong to one job": ((accounting, "by_job", ids_without_names),),
    "a reused id is adopted": ((SlurmScheduler, "_accounting", strangers),),
    "a requeue counts as an end": (
        (accounting, "merge", record_over_squeue),
        (SlurmScheduler, "_last_words", ACCOUNT),
    ),
    "a failed node's record counts as final": ((SlurmScheduler, "_last_words", ACCOUNT),),
    "an unknown state counts as an end": ((lifecycle, "_learn", unknown_is_failed),),
    "a job ends before its sacct record closes": ((lifecycle, "_learn", ended_without_record),),
    "late records are not waited for": ((lifecycle, "_asked_for", lambda job, snapshot: True),),
    "a job that can never start waits forever": ((advance, "decide", cancels_never),),
    "a temporary reason counts as permanent": ((lifecycle, "HOPELESS_PATIENCE", 0),),
    "a cancel is not repeated": ((advance.Advance, "_cancel", cancel_once),),
    "only the last run is billed": ((outcome, "measure", last_run),),
    "overlapping records are summed": ((outcome, "measure", records_summed),),
    "any record is signed": ((outcome, "implausible", lambda *arguments: ""),),
    "one node of several is billed": ((outcome, "measure", first_node_only),),
    "requested resources are billed": ((lifecycle, "finish", as_requested),),
    "GPUs without a record are not billed": ((outcome, "measure", gpus_for_nothing),),
    "a timeout is reported as a failure": ((outcome, "_outcome", timed_out_is_failed),),
}
