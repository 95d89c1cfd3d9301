"""Builds a message from a file and command line options; errors name the field. Pure.

Values may be written in a readable form: enum words without their prefix (`active`), coins as `1000uvirt`,
integers as text.
"""

import base64
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from provider_daemon.chain.messages import SIGNER_FIELDS
from provider_daemon.chain.proto.cosmos.bank.v1beta1 import bank_pb2
from provider_daemon.chain.proto.virtengine.encryption.v1 import tx_pb2 as encryption
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2
from provider_daemon.client.coins import coins
from provider_daemon.errors import ConfigError

_TIMESTAMP, _COIN = "google.protobuf.Timestamp", "cosmos.base.v1beta1.Coin"
_KINDS = {
    **tx_pb2.DESCRIPTOR.message_types_by_name,
    **encryption.DESCRIPTOR.message_types_by_name,
    **bank_pb2.DESCRIPTOR.message_types_by_name,
}
TYPE_KEY = "@type"  # Cosmos clients write it next to a message's fields


def message(name: str, values: Mapping[str, Any]) -> Message:
    """Builds a message by name (MsgSubmitJob). Raises ConfigError with one line per invalid value."""
    wanted: Message = GetMessageClass(_KINDS[name])()
    fill(wanted, values)
    return wanted


def fill(target: Message, values: Mapping[str, Any]) -> None:
    """Raises ConfigError with one line per invalid value."""
    problems: list[str] = []
    _fill(target, values, "", problems)
    if problems:
        raise ConfigError(problems)


def signed_by(message: Message, address: str) -> None:
    """Sets the signer. Raises ConfigError if the file names another one."""
    field = SIGNER_FIELDS[type(message)]
    if getattr(message, field) not in ("", address):
        raise ConfigError([f"{field}: the file has {getattr(message, field)}, but the signer is {address}"])
    setattr(message, field, address)


def merged(document: object, typed: Mapping[str, Any]) -> dict[str, Any]:
    """Merges option values (field or dotted path -> value, None if not given) into `document`.

    Options have priority. Raises ConfigError.
    """
    if not isinstance(document, Mapping):
        raise ConfigError(["invalid file: must be an object with the message's fields"])
    values: dict[str, Any] = _copied(document)
    values.pop(TYPE_KEY, None)
    for path, value in typed.items():
        if value is not None and value != []:
            _put(values, path.split("."), value)
    return values


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for parent in path[:-1]:
        if not isinstance(values.setdefault(parent, {}), dict):
            raise ConfigError([f"{parent}: must be an object"])
        values = values[parent]
    values[path[-1]] = value


def _copied(value: Any) -> Any:
    return {key: _copied(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value


def _fill(target: Any, values: Any, path: str, problems: list[str]) -> None:
    if not isinstance(values, Mapping):
        problems.append(f"{path.rstrip('.') or 'the file'}: must be an object")
        return
    fields = target.DESCRIPTOR.fields_by_name
    for name, value in values.items():
        field = fields.get(str(name))
        if field is None:
            problems.append(f"{path}{name}: unknown field (known fields: {', '.join(fields)})")
        elif value is not None:
            _set(target, field, value, f"{path}{name}", problems)


def _set(target: Any, field: Any, value: Any, path: str, problems: list[str]) -> None:
    try:
        if field.message_type and field.message_type.GetOptions().map_entry:
            getattr(target, field.name).update(_words(value))
        elif field.is_repeated:
            _extend(getattr(target, field.name), field, value, path, problems)
        elif field.message_type and field.message_type.full_name == _TIMESTAMP:
            getattr(target, field.name).FromJsonString(str(value))
        elif field.message_type:
            getattr(target, field.name).SetInParent()
            _fill(getattr(target, field.name), value, f"{path}.", problems)
        else:
            setattr(target, field.name, _scalar(field, value))
    except (ValueError, TypeError) as error:
        problems.append(f"{path}: {error}")


def _words(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(
        isinstance(word, str | int | float) for word in value.values()
    ):
        raise TypeError("must be an object with text values")
    return {str(key): str(word) for key, word in value.items()}


def _extend(target: Any, field: Any, value: Any, path: str, problems: list[str]) -> None:
    if field.message_type and field.message_type.full_name == _COIN and isinstance(value, str):
        value = [{"denom": coin.denom, "amount": str(coin.amount)} for coin in coins(value)]
    if not isinstance(value, list):
        raise TypeError("must be a list")
    for index, item in enumerate(value):
        if field.message_type:
            _fill(target.add(), item, f"{path}[{index}].", problems)
        else:
            target.append(_scalar(field, item))


def _scalar(field: Any, value: Any) -> Any:
    if field.enum_type:
        return _enum(field, value)
    if field.cpp_type == field.CPPTYPE_BOOL:
        return _boolean(value)
    if field.type == field.TYPE_BYTES:
        return _base64(value)
    if field.cpp_type == field.CPPTYPE_STRING:
        return _text(value)
    return _whole(value)


def _enum(field: Any, value: Any) -> int:
    prefix = field.enum_type.values[0].name.removesuffix("UNSPECIFIED")
    known = field.enum_type.values_by_name.get(prefix + str(value).upper().removeprefix(prefix))
    if known is None:
        words = [each.name.removeprefix(prefix).lower() for each in field.enum_type.values if each.number]
        raise ValueError(f"invalid value: {value!r}; must be one of {', '.join(words)}")
    return int(known.number)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"invalid value: {value!r}; must be true or false")
    return value


def _text(value: Any) -> str:
    """Accepts numbers, as prices are text on the wire but numbers in many files."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"invalid value: {value!r}; must be text")
    return str(value)


def _base64(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError):
        raise ValueError(f"invalid value: {value!r}; must be base64") from None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"invalid value: {value!r}; must be an integer")
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"invalid value: {value!r}; must be an integer") from None
