"""The part of protobuf's wire format that IPFS's two messages use."""

from collections.abc import Iterator

from provider_daemon.sources.cid import BadCid, read_varint

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class BadMessage(ValueError):
    """Not a message of the wire format."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yields number and value of each field: int for varints, bytes for all else. Raises BadMessage."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise BadMessage("field 0")
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == BYTES:
            length, at = _varint(data, at)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise BadMessage(f"wire type {kind}")
        if at + length > len(data):
            raise BadMessage("a field is longer than the message")
        yield number, data[at : at + length]
        at += length


def varints(data: bytes) -> Iterator[int]:
    """Yields the numbers of a packed field. Raises BadMessage."""
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    try:
        return read_varint(data, at)
    except BadCid as error:
        raise BadMessage(str(error)) from None
