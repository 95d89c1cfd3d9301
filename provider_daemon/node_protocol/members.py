"""Finds the bytes of a JSON object's members as they were received. Pure.

A signature covers bytes, not values: another program may escape characters or write numbers differently, so
what it signed cannot be encoded again (docs/agent.md, 'Signatures').
"""

import json

from provider_daemon.errors import Unreadable

_DECODER = json.JSONDecoder()
_SPACE = " \t\n\r"


def members(data: bytes) -> dict[str, bytes]:
    """Returns the raw value of each member of the object in `data`.

    Raises Unreadable if it is not UTF-8, not one JSON object, or names a member twice.
    """
    try:
        text = data.decode()
        return _members(text)
    except (ValueError, RecursionError, IndexError) as error:
        raise Unreadable(f"not a JSON object: {error}") from None


def _members(text: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    at = _expect(text, _skip(text, 0), "{")
    if text[at] == "}":
        return _end(text, at + 1, found)
    while True:
        if text[at] != '"':
            raise ValueError(f"no name at character {at}")
        name, at = _DECODER.raw_decode(text, at)
        at = _expect(text, _skip(text, at), ":")
        _, end = _DECODER.raw_decode(text, at)
        if name in found:
            raise ValueError(f"{name!r} is there twice")
        found[name] = text[at:end].encode()
        at = _skip(text, end)
        if text[at] == "}":
            return _end(text, at + 1, found)
        at = _expect(text, at, ",")


def _expect(text: str, at: int, sign: str) -> int:
    if text[at] != sign:
        raise ValueError(f"no {sign!r} at character {at}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _SPACE:
        at += 1
    return at


def _end(text: str, at: int, found: dict[str, bytes]) -> dict[str, bytes]:
    if _skip(text, at) != len(text):
        raise ValueError(f"more after character {at}")
    return found
