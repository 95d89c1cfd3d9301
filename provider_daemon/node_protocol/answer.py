"""The collector's answer to a heartbeat or a registration. Pure (docs/agent.md, 'Answers')."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from provider_daemon.errors import Unreadable
from provider_daemon.nodes.command import SignedCommand

LEAST_SECONDS, DEFAULT_SECONDS, MOST_SECONDS = 10, 30, 120


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A node whose latency is measured: `address` is host:port."""

    node_id: str
    address: str


@dataclass(frozen=True, slots=True)
class RequestError:
    """`code`: a Rejection."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`timestamp`: the collector's clock, seconds since the epoch. `sequence_ack`: the last one accepted.

    `next_heartbeat_seconds`: when it wants the next one.
    """

    accepted: bool
    sequence_ack: int = 0
    timestamp: int = 0
    next_heartbeat_seconds: int = DEFAULT_SECONDS
    commands: tuple[SignedCommand, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    errors: tuple[RequestError, ...] = ()


def encode(answer: Answer) -> bytes:
    return json.dumps(asdict(answer), separators=(",", ":")).encode()


def read(data: bytes) -> Answer:
    """Parses an answer. Fields of later versions are ignored, and what is missing has its default.

    The interval is kept within LEAST_SECONDS and MOST_SECONDS. The published daemon's time, which is text, is
    read as 0. Raises Unreadable if it is no answer.
    """
    try:
        found: dict[str, Any] = json.loads(data)
        accepted, seconds = found["accepted"], found.get("next_heartbeat_seconds", DEFAULT_SECONDS)
        clock = found.get("timestamp", 0)
        numbers = (found.get("sequence_ack", 0), 0 if type(clock) is str else clock, seconds)
        if type(accepted) is not bool or not all(type(each) is int for each in numbers):
            raise TypeError("a field has the wrong type")
        return Answer(
            accepted,
            *numbers[:2],
            min(max(seconds, LEAST_SECONDS), MOST_SECONDS),
            tuple(
                SignedCommand(*_texts(each, "document", "signature")) for each in found.get("commands") or ()
            ),
            tuple(Neighbour(*_texts(each, "node_id", "address")) for each in found.get("neighbours") or ()),
            tuple(RequestError(*_texts(each, "code", "message")) for each in found.get("errors") or ()),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unreadable(f"not a collector's answer: {error}") from None


def _texts(value: Any, *names: str) -> list[str]:
    texts = [value[name] for name in names]
    if not all(type(each) is str for each in texts):
        raise TypeError(f"{', '.join(names)} must be text")
    return texts
