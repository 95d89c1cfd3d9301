"""The bytes of a JSON object's members, as received."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Unreadable
from provider_daemon.node_protocol.members import members

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_every_member_is_there_as_it_was_written(
    value: dict[str, object], indent: int | None, escaped: bool
) -> None:
    """However it is written, each raw member parses to its value and is part of the text."""
    data = json.dumps(value, indent=indent, ensure_ascii=escaped)
    if any("\ud800" <= sign <= "\udfff" for sign in data):
        return
    found = members(data.encode())
    assert {name: json.loads(raw) for name, raw in found.items()} == value
    assert all(raw in data.encode() for raw in found.values())


def test_the_bytes_are_not_encoded_again() -> None:
    """Escapes, spaces and the spelling of numbers stay."""
    data = b'{"a" : {"x":"\\u003cb\\u003e", "n": 1.50e0} ,"b":[ ]}'
    assert members(data) == {"a": b'{"x":"\\u003cb\\u003e", "n": 1.50e0}', "b": b"[ ]"}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"1", b'"a"', b"{}x", b'{"a":1,}', b'{"a":1 "b":2}', b'{"a"}', b'{a:1}',
        b'{"a":1,"a":2}', b'{"a":1}{"b":2}', b"\xff{}", b'{"a":' + b"[" * 100_000, b'{"a":1',
    ],
)  # fmt: skip
def test_anything_else_is_unreadable(data: bytes) -> None:
    """A truncated, doubled or foreign text never gives a part of it."""
    with pytest.raises(Unreadable):
        members(data)
