"""The values of the collector's database, and their JSON."""

from dataclasses import dataclass, replace
from typing import TypeVar

from pydantic import TypeAdapter

from provider_daemon.nodes.report import (
    Acknowledgement,
    Hardware,
    Heartbeat,
    Locality,
    Registration,
    Topology,
)

T = TypeVar("T")

HEARTBEAT = TypeAdapter(Heartbeat)
HARDWARE = TypeAdapter(Hardware)
TOPOLOGY = TypeAdapter(Topology)
LOCALITY = TypeAdapter(Locality)


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """What the collector checks a request against. Fields are those of the table `agents`."""

    node_id: str
    cluster_id: str
    public_key: str
    token_sha256: str
    registered_at: float
    seen_at: float
    interval: int
    sequence: int = 0
    signed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Registered:
    """An accepted registration. `nonce`: of its request, not accepted again before `nonce_expires_at`."""

    agent: KnownAgent
    registration: Registration
    nonce: str
    nonce_expires_at: float


@dataclass(frozen=True, slots=True)
class HeardFrom:
    """An accepted heartbeat; `agent` as it is afterwards."""

    agent: KnownAgent
    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True)
class Offered:
    """A command that the collector has for a node."""

    command_id: str
    node_id: str
    cluster_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Answered:
    """What a node's agent answered to a command. Without effect for a command of another node."""

    node_id: str
    acknowledgement: Acknowledgement
    at: float


Change = Registered | HeardFrom | Offered | Answered


def heartbeat_text(beat: Heartbeat) -> str:
    """Returns the JSON of what is not stored in columns or rows of its own."""
    kept = replace(beat, hardware=None, topology=None, locality=None, acknowledgements=())
    return dumped(HEARTBEAT, kept) or ""


def dumped(adapter: TypeAdapter[T], value: T | None) -> str | None:
    return None if value is None else adapter.dump_json(value, exclude_defaults=True).decode()


def loaded(adapter: TypeAdapter[T], text: str | None) -> T | None:
    """Raises ValueError for text that this version cannot read."""
    return None if text is None else adapter.validate_json(text)
