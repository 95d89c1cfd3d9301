"""Ending, refusing and unparking one job."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from pydantic import Field

from provider_daemon.audit_log.records import Action
from provider_daemon.control.operation import Body, Context, Deed, Operation, Reason
from provider_daemon.errors import LedgerError, Refused
from provider_daemon.job.job import Job
from provider_daemon.job.operator import NotPossible, end, refuse
from provider_daemon.ledger.event_kind import EventKind

JobId = Annotated[str, Field(min_length=1, max_length=100)]


class EndJob(Body):
    """`reason` becomes the job's status message on chain."""

    job: JobId
    reason: Reason


class UnparkJob(Body):
    """`without_gpus`: 0 GPU-seconds are reported if SLURM's record lists none of the job's GPUs."""

    job: JobId
    without_gpus: bool = False


class ChangedJob(Body):
    """`slurm_id`: "" if it is not in SLURM, as far as provd knows. `name`: of its SLURM job."""

    job: str
    slurm_id: str
    name: str


def _decided(decide: Callable[[Job, str], Job], word: str, asked: EndJob, context: Context) -> ChangedJob:
    job = _found(asked.job, context)
    try:
        decided = decide(job, asked.reason)
    except NotPossible as error:
        raise Refused(str(error)) from None
    context.ledger.save_job(decided)
    context.ledger.add_event(
        asked.job,
        EventKind.OPERATOR,
        f"{context.operator} {word} the job: {asked.reason}",
        context.now,
        decided.state,
    )
    return ChangedJob(job=asked.job, slurm_id=job.slurm_id, name=job.name)


def _unpark(asked: UnparkJob, context: Context) -> ChangedJob:
    job = _found(asked.job, context)
    try:
        context.ledger.unpark(asked.job, forgo_gpus=asked.without_gpus)
    except LedgerError as error:  # it is not parked
        raise Refused(str(error)) from None
    return ChangedJob(job=asked.job, slurm_id=job.slurm_id, name=job.name)


def _found(job_id: str, context: Context) -> Job:
    job = context.ledger.job(job_id)
    if job is None:
        raise Refused(f"{job_id} is not in the ledger; `provd jobs` lists all jobs")
    return job


_ADVANCE = frozenset({"advance"})

END = Operation(
    "jobs/end",
    EndJob,
    ChangedJob,
    partial(_decided, end, "ends"),
    lambda asked, answer: [Deed(Action.JOB_ENDED, job=asked.job, detail=asked.reason)],
    _ADVANCE,
)
REFUSE = Operation(
    "jobs/refuse",
    EndJob,
    ChangedJob,
    partial(_decided, refuse, "refuses"),
    lambda asked, answer: [Deed(Action.JOB_REFUSED, job=asked.job, detail=asked.reason)],
    _ADVANCE,
)
UNPARK = Operation(
    "jobs/unpark",
    UnparkJob,
    ChangedJob,
    _unpark,
    lambda asked, answer: [
        Deed(Action.JOB_UNPARKED, job=asked.job, detail="without GPUs" if asked.without_gpus else "")
    ],
    _ADVANCE,
)
