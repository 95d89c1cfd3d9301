"""One value, one text: base64 and JSON have no second form here."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.tokens import strict


@given(st.binary(max_size=100))
def test_base64_is_read_as_it_was_written(data: bytes) -> None:
    """Both alphabets."""
    assert strict.from_base64url(strict.base64url(data)) == data
    assert strict.from_base64(base64.b64encode(data).decode()) == data


@given(st.text(max_size=20))
def test_each_value_has_one_text(text: str) -> None:
    """What is accepted is exactly what would be written."""
    for read, write in (
        (strict.from_base64url, strict.base64url),
        (strict.from_base64, lambda data: base64.b64encode(data).decode()),
    ):
        try:
            data = read(text)
        except ValueError:
            continue
        assert write(data) == text


@pytest.mark.parametrize("text", [b'{"a":1,"a":1}', b'{"b":{"a":1,"a":2}}', b"1.5", b'{"a":1.0}', b"[1]"])
def test_json_with_two_readings_is_refused(text: bytes) -> None:
    """Duplicate keys at any depth, fractions, and what is not an object."""
    with pytest.raises(ValueError, match=r"twice|whole|object"):
        strict.from_json(text)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing but ValueError leaves the reader."""
    with contextlib.suppress(ValueError):
        assert isinstance(strict.from_json(data), dict)
