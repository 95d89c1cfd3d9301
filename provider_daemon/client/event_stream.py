"""Reads server-sent events (the HTML standard's event stream). Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from provider_daemon.errors import Unreadable

MAX_EVENT = 16 * 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Event:
    """`id` is "" if the event has none."""

    name: str
    data: str
    id: str = ""


class EventParser:
    """Turns bytes, in chunks of any size, into events. Lines end with a line feed, as the gateway's do."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yields the events that are complete. Raises Unreadable for invalid UTF-8 or a long event."""
        *blocks, self._pending = (self._pending + chunk).split(b"\n\n")
        if len(self._pending) > MAX_EVENT:
            raise Unreadable(f"the gateway's event is longer than {MAX_EVENT} bytes")
        for block in blocks:
            if event := _event(block):
                yield event


def _event(block: bytes) -> Event | None:
    """Returns None for a block without data, such as a comment that keeps the connection alive."""
    try:
        lines = block.decode().split("\n")
    except UnicodeDecodeError:
        raise Unreadable("the gateway's event is not UTF-8 text") from None
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name, []).append(value.removeprefix(" "))
    if "data" not in fields:
        return None
    return Event(
        name=fields.get("event", ["message"])[-1],
        data="\n".join(fields["data"]),
        id=fields.get("id", [""])[-1],
    )
