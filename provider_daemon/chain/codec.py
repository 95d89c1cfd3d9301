"""Records of the raw store (JSON) <-> protobuf messages (docs/protocol.md, 'Stored records').

LAYOUTS describes the field order of the chain's Go structs, and which empty fields are left out; other
records have the protobuf order with every field present. Records contain a few fields that the protobuf
messages lack (`extras`).
"""

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from provider_daemon.chain.layouts import LAYOUTS, NULL_WHEN_EMPTY
from provider_daemon.errors import Unreadable

# Fields of store records that the protobuf messages lack, with their zero.
EXTRAS: dict[str, dict[str, Any]] = {
    "NodeMetadata": {
        "state_changed_at": "",
        "missed_heartbeat_count": 0,
        "total_heartbeats": 0,
        "total_missed_heartbeats": 0,
    }
}

M = TypeVar("M", bound=Message)

_TIMESTAMP = "google.protobuf.Timestamp"
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z")
ZERO_TIME = "0001-01-01T00:00:00Z"  # Go's unset time
_EMPTY: tuple[Any, ...] = (None, "", 0, False, [], {})


# --- JSON as Go writes it ---


def dumps(record: Mapping[str, Any]) -> bytes:
    """Returns JSON without spaces, in UTF-8, with the three characters escaped that Go's encoder escapes."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode()


def loads(value: bytes) -> dict[str, Any]:
    """Parses a JSON object. Raises Unreadable for anything else."""
    try:
        record = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"a store record is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise Unreadable("a store record is not a JSON object")
    return record


# --- store -> message ---


def decode(message_type: type[M], value: bytes) -> M:
    """Returns the record as a message.

    Raises Unreadable, naming the field, for a value that does not fit the message.
    """
    message = message_type()
    _fill(message, loads(value))
    return message


def _fill(message: Message, record: Mapping[str, Any]) -> None:
    for field in message.DESCRIPTOR.fields:
        value = record.get(field.name)
        if value is None:
            continue
        try:
            _set(message, field, value)
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise Unreadable(f"{message.DESCRIPTOR.name}.{field.name} cannot be read: {error}") from error


def _set(message: Message, field: Any, value: Any) -> None:
    if field.type == field.TYPE_BYTES:
        value = [_base64(item) for item in _list(value)] if field.is_repeated else _base64(value)
    if _is_map(field):
        getattr(message, field.name).update(value)
    elif field.is_repeated:
        _extend(getattr(message, field.name), field, value)
    elif field.message_type and field.message_type.full_name == _TIMESTAMP:
        _set_time(getattr(message, field.name), value)
    elif field.message_type:
        _fill(getattr(message, field.name), value)
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, _enum_number(field, value) if field.enum_type else value)


def _extend(target: Any, field: Any, values: Any) -> None:
    if not field.message_type:
        target.extend(_list(values))
        return
    for item in _list(values):
        _fill(target.add(), item)


def _list(values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise TypeError("not a list")
    return values


def _base64(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError("not base64 text")
    return base64.b64decode(text, validate=True)


def _is_map(field: Any) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _set_time(target: Timestamp, text: str) -> None:
    if text != ZERO_TIME:
        target.seconds, target.nanos = divmod(parse_time(text), 10**9)


def parse_time(text: str) -> int:
    """Converts RFC 3339 in UTC to nanoseconds since the epoch. Raises ValueError for anything else."""
    match = _RFC3339.fullmatch(text)
    if not match:
        raise ValueError(f"invalid RFC 3339 time in UTC: {text!r}")
    seconds = int(datetime.fromisoformat(match[1] + "+00:00").timestamp())
    return seconds * 10**9 + int((match[2] or "0").ljust(9, "0"))


def _enum_prefix(field: Any) -> str:
    return str(field.enum_type.values[0].name).removesuffix("UNSPECIFIED")


def _enum_number(field: Any, word: str) -> int:
    """Returns an enum's number. Go's empty string is a field that was never set."""
    found = (
        field.enum_type.values_by_name.get(_enum_prefix(field) + (word.upper() or "UNSPECIFIED"))
        if word.isascii()
        else None
    )
    if found is None:
        raise ValueError(f"unknown word {word[:40]!r}")
    return int(found.number)


# --- message -> store ---


def encode(message: Message, extras: Mapping[str, Any] | None = None) -> bytes:
    """Returns the record as the chain stores it. Raises Unreadable for an enum value without a name."""
    return dumps(to_record(message, extras))


def to_record(message: Message, extras: Mapping[str, Any] | None = None) -> dict[str, Any]:
    name = message.DESCRIPTOR.name
    layout = LAYOUTS.get(name, " ".join(field.name for field in message.DESCRIPTOR.fields)).split()
    more = {**EXTRAS.get(name, {}), **(extras or {})}
    record: dict[str, Any] = {}
    for entry in layout:
        key = entry.rstrip("?")
        optional = entry.endswith("?")
        value = (
            more[key] if key in more else _value(message, message.DESCRIPTOR.fields_by_name[key], optional)
        )
        if not (optional and value in _EMPTY):
            record[key] = value
    return record


def _value(message: Message, field: Any, optional: bool) -> Any:
    """Returns a field's value; None for a missing optional message.

    Go writes a message that is not optional with all its zeros.
    """
    value = getattr(message, field.name)
    if _is_map(field):
        return dict(sorted(value.items()))
    if field.is_repeated and not value and field.name in NULL_WHEN_EMPTY:
        return None
    if field.type == field.TYPE_BYTES:
        return [_text(item) for item in value] if field.is_repeated else _text(value)
    if field.is_repeated:
        return [to_record(item) for item in value] if field.message_type else list(value)
    if field.message_type and not message.HasField(field.name) and optional:
        return None
    if field.message_type and field.message_type.full_name == _TIMESTAMP:
        return format_time(value.seconds * 10**9 + value.nanos) if message.HasField(field.name) else ZERO_TIME
    if field.message_type:
        return to_record(value)
    return _enum_word(field, value) if field.enum_type else value


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _enum_word(field: Any, number: int) -> str:
    found = field.enum_type.values_by_number.get(number)
    if found is None:
        raise Unreadable(f"unknown value {number} of {field.enum_type.name}")
    return str(found.name).removeprefix(_enum_prefix(field)).lower()


def format_time(nanoseconds: int) -> str:
    """Formats RFC 3339 in UTC, up to nine digits, trailing zeros trimmed."""
    seconds, rest = divmod(nanoseconds, 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
