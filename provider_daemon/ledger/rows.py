"""Rows <-> frozen values, in this one place. A Job is stored whole, as JSON of its fields."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from provider_daemon.job.admission import Program
from provider_daemon.job.hold import Hold
from provider_daemon.job.lifecycle import Job, refuse_id
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.slurm_id import is_slurm_id
from provider_daemon.job.spec import Resources, Spec, Workload
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage

UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class Message:
    """Something a key shall sign. `body` is a serialized google.protobuf.Any; `state` is set for reports only."""

    kind: str
    subject: str
    body: bytes
    state: str = ""
    id: int = 0
    created_at: float = 0.0


@dataclass(frozen=True, slots=True)
class OpenTx:
    """The one transaction of a key whose fate is not known yet."""

    id: int
    signer: str
    tx_hash: str
    tx_bytes: bytes
    sequence: int
    timeout_height: int
    fee: int
    created_at: float


def job_to_row(job: Job) -> dict[str, object]:
    return {
        "job_id": job.spec.job_id,
        "cluster_id": job.spec.cluster_id,
        "name": job.name,
        "slurm_id": job.slurm_id,
        "state": job.state.value,
        "reported": job.reported.value,
        "parked": job.parked,
        "closed_at": job.closed_at,
        "value": json.dumps(asdict(job), separators=(",", ":")),
    }


def job_from_value(text: str) -> Job:
    """A SLURM id that is none never leaves the ledger: its job comes out parked. Raises one of UNREADABLE for what is no job."""
    value: dict[str, Any] = json.loads(text)
    for name in ("state", "reported", "promised"):
        value[name] = State(value[name])
    value["park_reason"] = ParkReason(value["park_reason"]) if value.get("park_reason") else None
    value["spec"] = _spec(value["spec"])
    value["program"] = value["program"] and _program(value["program"])
    value["usage"] = value["usage"] and _usage(value["usage"])
    value["hold"] = Hold(value["hold"]) if value.get("hold") else None
    job = Job(**value)
    return job if not job.slurm_id or is_slurm_id(job.slurm_id) else refuse_id(job, job.slurm_id)


def read_jobs(rows: Iterable[sqlite3.Row]) -> tuple[list[Job], dict[str, str]]:
    """(the jobs of rows with a `job_id` and a `value`, job id -> why for those that cannot be read)."""
    jobs, unreadable = list[Job](), dict[str, str]()
    for row in rows:
        try:
            jobs.append(job_from_value(row["value"]))
        except UNREADABLE as error:
            unreadable[row["job_id"]] = f"{type(error).__name__}: {error}"
    return jobs, unreadable


def _program(value: dict[str, Any]) -> Program:
    """A ledger of an older provd has no fields of templates."""
    fields = _tuples(value)
    fields["environment"] = tuple((name, text) for name, text in fields.get("environment", ()))
    return Program(**fields)


def _spec(value: dict[str, Any]) -> Spec:
    workload = _tuples(value["workload"])
    workload["environment"] = tuple((name, text) for name, text in workload["environment"])
    return Spec(**{**value, "workload": Workload(**workload), "resources": Resources(**value["resources"])})


def _usage(value: dict[str, Any]) -> Usage:
    return Usage(**{**value, "gpu_seconds_by_type": tuple((name, seconds) for name, seconds in value["gpu_seconds_by_type"])})


def _tuples(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
