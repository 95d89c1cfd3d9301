"""The catalogue: what a provider sells on one cluster, as one JSON document. Pure.

The chain's records have queues and prices only. The catalogue adds what else decides whether a job runs
here: images, templates, limits and maintenance. It holds integers and texts only, and so has one canonical
form. The daemon signs that form, the gateway serves it, and its SHA-256 is a word of the cluster's
description on chain (chain/catalogue_marker.py).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from provider_daemon.errors import Unreadable

VERSION = 1


@dataclass(frozen=True, slots=True)
class QueueTerms:
    """A queue of an offering. `rates`: component -> uvirt for one unit, as decimal text. 0 is no limit."""

    name: str
    max_nodes: int = 0
    max_runtime_seconds: int = 0
    rates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OfferingTerms:
    """An active offering. `workloads`: ids of its prepared workloads that this site runs."""

    offering_id: str
    currency: str
    minimum_charge: str = ""
    custom_programs: bool = True
    identity_threshold: int = 0
    workloads: tuple[str, ...] = ()
    queues: tuple[QueueTerms, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageTerms:
    """Images whose reference matches `pattern` run. `launcher`: what contains them, "" if nothing does."""

    pattern: str
    launcher: str = ""
    network: bool = True


@dataclass(frozen=True, slots=True)
class TemplateTerms:
    template_id: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """The site's own limits of one job; 0 is no limit."""

    max_nodes: int = 0
    max_cpus_per_node: int = 0
    max_memory_gb_per_node: int = 0
    max_gpus_per_node: int = 0
    max_runtime_seconds: int = 0


@dataclass(frozen=True, slots=True)
class PaymentTerms:
    """`mode`: auto, escrow, agreed-price or none.

    `share`: the part of a job's estimate, as decimal text, that its max_price must cover.
    """

    mode: str = "auto"
    share: str = "1"


@dataclass(frozen=True, slots=True)
class MaintenanceTerms:
    """A maintenance window, in seconds since the epoch. `nodes_left`: how many nodes still run jobs."""

    starts_at: int
    ends_at: int
    nodes_left: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The document. `gpu_types`: the words that jobs may use; `terms`: the address of the conditions."""

    chain_id: str
    cluster_id: str
    provider: str
    gateway: str = ""
    contact: str = ""
    terms: str = ""
    payment: PaymentTerms = field(default_factory=PaymentTerms)
    software: tuple[str, ...] = ()
    gpu_types: tuple[str, ...] = ()
    limits: LimitTerms = field(default_factory=LimitTerms)
    images: tuple[ImageTerms, ...] = ()
    templates: tuple[TemplateTerms, ...] = ()
    offerings: tuple[OfferingTerms, ...] = ()
    maintenance: tuple[MaintenanceTerms, ...] = ()
    version: int = VERSION

    def offering(self, offering_id: str) -> OfferingTerms | None:
        return next((each for each in self.offerings if each.offering_id == offering_id), None)


@dataclass(frozen=True, slots=True)
class QueueWait:
    """How long the jobs of a queue waited that started lately, in seconds. `jobs`: how many there were."""

    queue: str
    jobs: int
    median_seconds: int
    longest_seconds: int


@dataclass(frozen=True, slots=True)
class Availability:
    """What is free now. `as_of` in seconds since the epoch; `gpus_free` by SLURM's type, "" for untyped ones.

    `nodes_free`: nodes on which nothing runs. A usable node is one that accepts jobs.
    """

    cluster_id: str
    as_of: int
    nodes_usable: int = 0
    nodes_free: int = 0
    cpus_free: int = 0
    memory_gb_free: int = 0
    gpus_free: Mapping[str, int] = field(default_factory=dict)
    waits: tuple[QueueWait, ...] = ()
    version: int = VERSION


T = TypeVar("T")
_CATALOGUE, _AVAILABILITY = TypeAdapter(Catalogue), TypeAdapter(Availability)


def fields(document: Catalogue | Availability) -> dict[str, Any]:
    """Returns the document's JSON object."""
    return asdict(document)


def read_catalogue(value: object) -> Catalogue:
    """Reads a catalogue from its JSON object; fields of a newer version are ignored. Raises Unreadable."""
    return _read(_CATALOGUE, value, "catalogue")


def read_availability(value: object) -> Availability:
    """Reads an availability as `read_catalogue` does."""
    return _read(_AVAILABILITY, value, "availability")


def _read(kind: TypeAdapter[T], value: object, what: str) -> T:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise Unreadable(f"the {what} cannot be read: {place}: {first['msg']}") from None
