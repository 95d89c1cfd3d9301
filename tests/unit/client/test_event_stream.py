"""Server-sent events, in chunks of any size."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.client import event_stream
from provider_daemon.client.event_stream import Event, EventParser
from provider_daemon.errors import Unreadable

STREAM = ': hello\n\nid: 6\nevent: log\ndata: "ä\\n"\n\nevent: end\ndata: a\ndata: b\n\n'.encode()
EVENTS = [Event("log", '"ä\\n"', "6"), Event("end", "a\nb")]


@given(st.lists(st.integers(1, len(STREAM))))
def test_any_division_gives_the_same_events(cuts: list[int]) -> None:
    """Comments are no events."""
    places = [0, *sorted(set(cuts)), len(STREAM)]
    parser, found = EventParser(), []
    for start, end in pairwise(places):
        found += list(parser.feed(STREAM[start:end]))
    assert found == EVENTS


@given(st.binary(max_size=200))
def test_arbitrary_bytes(chunk: bytes) -> None:
    """Events, or Unreadable."""
    with suppress(Unreadable):
        assert all(event.data is not None for event in EventParser().feed(chunk + b"\n\n"))


def test_an_endless_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded."""
    monkeypatch.setattr(event_stream, "MAX_EVENT", 10)
    with pytest.raises(Unreadable, match="longer than 10 bytes"):
        list(EventParser().feed(b"data: 012345"))
