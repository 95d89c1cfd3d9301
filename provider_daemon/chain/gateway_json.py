"""Protobuf -> JSON as a Cosmos gateway prints it. No I/O.

Field names are as in the .proto files, and every field is present; 64-bit integers are strings, enums names,
times RFC 3339, bytes base64. An unset value without a zero of its own (a message, bytes) is null.
"""

import base64
from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

_64_BIT = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)


def render(message: Message) -> Any:
    if isinstance(message, Timestamp):
        return message.ToJsonString()
    if isinstance(message, AnyMessage):
        return _any(message)
    return {
        field.name: _field(message, field)
        for field in message.DESCRIPTOR.fields
        if _is_chosen(message, field)
    }


def _is_chosen(message: Message, field: Any) -> bool:
    """Reports whether the field is printed: of a oneof only the one that is set."""
    return field.containing_oneof is None or message.HasField(field.name)


def _field(message: Message, field: Any) -> Any:
    value, one = getattr(message, field.name), _renderer(field)
    if field.message_type and field.message_type.GetOptions().map_entry:
        inner = _renderer(field.message_type.fields_by_name["value"])
        return {str(key): inner(item) for key, item in sorted(value.items())}
    if field.is_repeated:
        return [one(item) for item in value]
    if field.message_type and not message.HasField(field.name):
        return None
    return one(value)


def _renderer(field: Any) -> Callable[[Any], Any]:
    if field.message_type:
        return render
    if field.enum_type:
        words = field.enum_type.values_by_number
        return lambda number: words[number].name if number in words else number
    if field.cpp_type in _64_BIT:
        return str
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda content: base64.b64encode(content).decode() if content else None
    return lambda value: value


def _any(envelope: AnyMessage) -> dict[str, Any]:
    """Returns the content of an Any with its type; its bytes if the type is not known here."""
    try:
        kind = GetMessageClass(
            descriptor_pool.Default().FindMessageTypeByName(envelope.type_url.rpartition("/")[2])
        )
        return {"@type": envelope.type_url, **render(kind.FromString(envelope.value))}
    except (KeyError, DecodeError):
        return {"@type": envelope.type_url, "value": base64.b64encode(envelope.value).decode()}
