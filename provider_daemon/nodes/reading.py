"""Validates what came from a node agent: types, ranges and lengths as `report.py` annotates them."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from provider_daemon.errors import Unreadable
from provider_daemon.nodes.report import Heartbeat, Registration

_HEARTBEAT = TypeAdapter(Heartbeat)
_REGISTRATION = TypeAdapter(Registration)
T = TypeVar("T")


def heartbeat(data: bytes) -> Heartbeat:
    """Parses the JSON of a heartbeat. Fields of later versions are ignored.

    Raises Unreadable with the field and what is wrong with it.
    """
    return _read(_HEARTBEAT, data)


def registration(data: bytes) -> Registration:
    """Parses the JSON of a registration, as `heartbeat` does."""
    return _read(_REGISTRATION, data)


def _read(adapter: TypeAdapter[T], data: bytes) -> T:
    try:
        return adapter.validate_json(data, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise Unreadable(f"{where}: {first['msg']}") from None
