"""Base64 and JSON in which one value has exactly one form.

A lenient decoder accepts several texts for one value, so that a used token could be presented again in
another spelling, or be read differently by two programs.
"""

import base64
import json
from collections.abc import Sequence

MAX_CHARACTERS = 8192


def base64url(data: bytes) -> str:
    """Returns base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Returns the bytes. Raises ValueError for padding, other characters and unused bits that are set."""
    if not text.isascii():
        raise ValueError("not base64url")
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def from_base64(text: str) -> bytes:
    """Returns the bytes of standard base64 with padding. Raises ValueError for any other form."""
    if not text.isascii():
        raise ValueError("not base64")
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not canonical base64")
    return data


def from_json(text: bytes) -> dict[str, object]:
    """Returns a JSON object. Raises ValueError for duplicate keys, fractions, NaN and anything else."""
    try:
        value = json.loads(
            text.decode(), object_pairs_hook=_object, parse_float=_refuse, parse_constant=_refuse
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse(text: str) -> object:
    raise ValueError("only whole numbers are accepted")
