"""HTTP -> request message: from the names in a path and the query string, or from a JSON body. No I/O."""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def from_query(kind: Descriptor, path: Mapping[str, str], query: Iterable[tuple[str, str]]) -> Message:
    """Builds a request from path names and query string.

    Dotted names select fields of nested messages (`pagination.limit`). Unknown names are ignored, as a
    gateway does. Names in the path take precedence. Raises ValueError that names a value of the wrong type.
    """
    wanted: dict[str, Any] = {}
    for name, text in (*query, *path.items()):
        _place(kind, wanted, name, text)
    return _parsed(kind, wanted)


def from_body(kind: Descriptor, body: str) -> Message:
    """Builds a request from a JSON body. Raises ValueError for an invalid body."""
    message = GetMessageClass(kind)()
    try:
        return json_format.Parse(body or "{}", message, ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError) as error:
        raise ValueError(f"body cannot be read: {error}") from error


def _place(kind: Descriptor, wanted: dict[str, Any], name: str, text: str) -> None:
    first, _, rest = name.partition(".")
    field = kind.fields_by_name.get(first)
    if field is None:
        return
    if rest and field.message_type:
        _place(field.message_type, wanted.setdefault(first, {}), rest, text)
    elif not rest and not field.message_type:
        wanted[first] = _value(field, name, text)


def _value(field: FieldDescriptor, name: str, text: str) -> Any:
    if field.type != FieldDescriptor.TYPE_BOOL:
        return text
    if text not in _BOOLEANS:
        raise ValueError(f"type mismatch, parameter: {name}, error: {text!r} is neither true nor false")
    return _BOOLEANS[text]


def _parsed(kind: Descriptor, wanted: dict[str, Any]) -> Message:
    message = GetMessageClass(kind)()
    try:
        return json_format.ParseDict(wanted, message)
    except json_format.ParseError as error:
        raise ValueError(f"type mismatch, parameter: {error}") from error
