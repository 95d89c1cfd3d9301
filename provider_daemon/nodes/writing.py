"""Writes values of `report.py` as the JSON that agents send. Pure; the agent imports it."""

import json
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from provider_daemon.nodes.report import Heartbeat, Registration


def encode(value: Heartbeat | Registration) -> bytes:
    """Returns compact UTF-8 JSON in the order of the fields, without those that have their default."""
    return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        held = ((each, getattr(value, each.name)) for each in fields(value))
        return {each.name: _plain(found) for each, found in held if found != _default(each)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _default(each: "Field[Any]") -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()
