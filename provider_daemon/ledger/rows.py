"""Converts rows to frozen values and back. A Job is stored as the JSON of its fields."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from provider_daemon.job.job import Job
from provider_daemon.job.lifecycle import refuse_id
from provider_daemon.job.slurm_id import is_slurm_id

_JOB = TypeAdapter(Job)


class UnreadableJob(ValueError):
    """A stored value is not a job. The text omits the values, which may be a customer's secrets."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to sign. `body` is a serialized google.protobuf.Any; `state` is set for reports only.

    `kind`: report, operator, node or cluster.
    """

    kind: str
    subject: str
    body: bytes
    state: str = ""
    id: int = 0
    created_at: float = 0.0

    @property
    def is_heartbeat(self) -> bool:
        """Whether the next heartbeat replaces it, so that it may be dropped."""
        return self.kind in ("node", "cluster")


@dataclass(frozen=True, slots=True)
class OpenTx:
    """The one transaction of a key whose outcome is not known yet."""

    id: int
    signer: str
    tx_hash: str
    tx_bytes: bytes
    sequence: int
    timeout_height: int
    fee: int
    created_at: float


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message and the transaction that holds it; `tx_hash` is "" and the other fields 0 if none does."""

    kind: str
    state: str
    body: bytes
    created_at: float
    status: str
    note: str
    tx_hash: str
    sequence: int
    timeout_height: int
    fee: int
    tx_created_at: float
    height: int
    tx_status: str


@dataclass(frozen=True, slots=True)
class StoredTx:
    """A stored transaction. `messages`: how many it holds now."""

    tx_hash: str
    fee: int
    created_at: float
    status: str
    height: int
    code: int
    gas_used: int
    note: str
    messages: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The number of a key's waiting messages, and when the oldest was stored."""

    signer: str
    kind: str
    messages: int
    oldest: float


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A timeline entry. `detail` may hold a customer's text.

    `at` is in seconds since the epoch. `what` is an EventKind, or the word of another version. `state` is the
    job state that the entry is about, or "".
    """

    at: float
    what: str
    detail: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A quarantined record: the chain's record of the job could not be read."""

    job_id: str
    why: str
    at: float


def job_to_row(job: Job) -> dict[str, object]:
    return {
        "job_id": job.spec.job_id,
        "cluster_id": job.spec.cluster_id,
        "name": job.name,
        "slurm_id": job.slurm_id,
        "state": job.state.value,
        "reported": job.reported.value,
        "parked": job.parked.reason.value if job.parked else "",
        "closed_at": job.closed_at,
        "value": json.dumps(_JOB.dump_python(job), separators=(",", ":")),
    }


def job_from_value(text: str) -> Job:
    """Raises UnreadableJob. A job whose SLURM id is invalid is returned parked, without the id."""
    try:
        job = _JOB.validate_json(text)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise UnreadableJob("; ".join(_described(problem) for problem in problems)) from None
    return job if not job.slurm_id or is_slurm_id(job.slurm_id) else refuse_id(job, job.slurm_id)


def _described(problem: ErrorDetails) -> str:
    return ": ".join(filter(None, (".".join(map(str, problem["loc"])), problem["msg"])))


def read_jobs(rows: Iterable[sqlite3.Row]) -> tuple[list[Job], dict[str, str]]:
    """Returns (the jobs, job id -> error of the unreadable ones) of rows with `job_id` and `value`."""
    jobs, unreadable = list[Job](), dict[str, str]()
    for row in rows:
        try:
            jobs.append(job_from_value(row["value"]))
        except UnreadableJob as error:
            unreadable[row["job_id"]] = str(error)
    return jobs, unreadable
