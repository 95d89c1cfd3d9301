"""Rows <-> frozen values, in this one place. A Job is stored whole, as JSON of its fields."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from provider_daemon.job.admission import Program
from provider_daemon.job.hold import Hold
from provider_daemon.job.lifecycle import Job
from provider_daemon.job.spec import Resources, Spec, Workload
from provider_daemon.job.state import State
from provider_daemon.job.usage import Usage


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
    value: dict[str, Any] = json.loads(text)
    for name in ("state", "reported", "promised"):
        value[name] = State(value[name])
    value["spec"] = _spec(value["spec"])
    value["program"] = value["program"] and _program(value["program"])
    value["usage"] = value["usage"] and _usage(value["usage"])
    value["hold"] = Hold(value["hold"]) if value.get("hold") else None
    return Job(**value)


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
