"""Reads usage, jobs and rules from plain values of JSON, YAML or TOML documents.

Every error is reported with its place. Integers may be strings, as a Cosmos gateway prints them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from provider_daemon.errors import ConfigError
from provider_daemon.job.references import DataReference
from provider_daemon.job.spec import Resources
from provider_daemon.job.usage import Usage
from provider_daemon.money.estimate import most_use
from provider_daemon.money.fixed import Amount, Decimal18, whole
from provider_daemon.money.purchase import Purchase
from provider_daemon.money.quantities import node_hours_seen
from provider_daemon.money.rules import Rules

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Use:
    """The fields of HPCUsageMetrics, the GPU type, and the sale. Node-hours may be decimal here."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    wall_clock_seconds: Amount = 0
    cpu_core_seconds: Amount = 0
    memory_gb_seconds: Amount = 0
    gpu_seconds: Amount = 0
    storage_gb_hours: Amount = 0
    network_bytes_in: Amount = 0
    network_bytes_out: Amount = 0
    node_hours: Decimal18 = 0
    nodes_used: Amount = 0
    gpu_type: str = ""
    purchase: Purchase = field(default_factory=Purchase)

    @property
    def usage(self) -> Usage:
        """The usage as it is reported, with whole node-hours."""
        own = {item.name: getattr(self, item.name) for item in fields(Usage) if hasattr(self, item.name)}
        return Usage(**{**own, "node_hours": whole(self.node_hours)})


@dataclass(frozen=True, slots=True)
class BilledResources:
    """The protocol's JobResources."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    nodes: Annotated[int, Field(ge=1)]
    cpu_cores_per_node: Amount = 0
    memory_gb_per_node: Amount = 0
    gpus_per_node: Amount = 0
    gpu_type: str = ""
    storage_gb: Amount = 0


@dataclass(frozen=True, slots=True)
class BilledInput:
    """A declared input; the other fields of the protocol's DataReference are ignored."""

    size_bytes: Amount = 0


@dataclass(frozen=True, slots=True)
class BilledJob:
    """The fields of a job's submission that determine its price; other fields are ignored."""

    resources: BilledResources
    max_runtime_seconds: Annotated[int, Field(ge=1)]
    data_references: tuple[BilledInput, ...] = ()
    purchase: Purchase = field(default_factory=Purchase)


def read_use(document: object) -> Use:
    return _read(Use, document, "usage")


def read_rules(document: object) -> Rules:
    return _read(Rules, document, "rules")


def read_job(document: object, granularity: int) -> Use:
    """Returns the most that the job can use: all that it requests, for its whole run time limit."""
    job = _read(BilledJob, document, "job")
    asked = job.resources
    usage = most_use(
        Resources(
            nodes=asked.nodes,
            cpus_per_node=asked.cpu_cores_per_node,
            memory_gb_per_node=asked.memory_gb_per_node,
            gpus_per_node=asked.gpus_per_node,
            storage_gb=asked.storage_gb,
        ),
        job.max_runtime_seconds,
        [DataReference(size_bytes=given.size_bytes) for given in job.data_references],
    )
    values = {
        item.name: getattr(usage, item.name) for item in fields(Usage) if item.name != "gpu_seconds_by_type"
    }
    values["node_hours"] = node_hours_seen(usage, granularity)
    return Use(**values, gpu_type=asked.gpu_type, purchase=job.purchase)


def _read(kind: type[T], document: object, what: str) -> T:
    """Validates the document; raises ConfigError with a line for each error."""
    if not isinstance(document, Mapping):
        raise ConfigError([f"{what}: must be an object"])
    try:
        return TypeAdapter(kind).validate_python(dict(document))
    except ValidationError as error:
        raise ConfigError(
            [f"{what}: {_place(problem)}{_said(problem)}" for problem in error.errors()]
        ) from error


def _said(problem: Any) -> str:
    return (
        "there is no such field" if problem["type"] == "unexpected_keyword_argument" else str(problem["msg"])
    )


def _place(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: " if place else ""
