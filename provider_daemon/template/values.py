"""Checks a customer's values by the template's parameter schema. Pure."""

import re
from collections.abc import Mapping, Sequence

from provider_daemon.template.model import Parameter, Value

MAX_LENGTH = 1024  # characters of a text parameter that has no maximum


class BadValue(Exception):
    """A value that the schema does not allow. The text is a sentence for the customer."""


def chosen(schema: Sequence[Parameter], given: Mapping[str, str]) -> dict[str, str]:
    """Returns every parameter as text; raises BadValue for unknown, missing or invalid ones."""
    known = {parameter.name for parameter in schema}
    if unknown := sorted(set(given) - known):
        raise BadValue(
            f"unknown parameter: {', '.join(unknown)} (known parameters: "
            f"{', '.join(sorted(known)) or 'none'})"
        )
    return {parameter.name: _one(parameter, given.get(parameter.name)) for parameter in schema}


def _one(parameter: Parameter, given: str | None) -> str:
    if given is None:
        if parameter.required or parameter.default is None:
            raise BadValue(f"parameter {parameter.name} is required")
        return _text(parameter.default)
    value = _typed(parameter, given)
    check(parameter, value)
    return _text(value)


def _typed(parameter: Parameter, given: str) -> Value:
    if parameter.type == "string":
        return given
    if parameter.type == "boolean":
        if given not in ("true", "false"):
            raise BadValue(f"parameter {parameter.name} must be true or false: {given!r}")
        return given == "true"
    if not re.fullmatch(r"-?\d{1,18}", given, re.ASCII):
        raise BadValue(f"parameter {parameter.name} must be an integer: {given!r}")
    return int(given)


def check(parameter: Parameter, value: Value) -> None:
    """Checks one value. Raises BadValue."""
    kind = {"string": str, "integer": int, "boolean": bool}[parameter.type]
    if type(value) is not kind:
        raise BadValue(f"parameter {parameter.name}: {value!r} is not of type {parameter.type}")
    if parameter.enum and value not in parameter.enum:
        raise BadValue(
            f"parameter {parameter.name} must be one of {', '.join(map(_text, parameter.enum))}: {value!r}"
        )
    if isinstance(value, bool):
        return
    size, what = (len(value), " characters") if isinstance(value, str) else (value, "")
    top = MAX_LENGTH if parameter.max is None and isinstance(value, str) else parameter.max
    if parameter.min is not None and size < parameter.min:
        raise BadValue(f"parameter {parameter.name}: {size}{what}, the minimum is {parameter.min}")
    if top is not None and size > top:
        raise BadValue(f"parameter {parameter.name}: {size}{what}, the maximum is {top}")
    if isinstance(value, str):
        _check_text(parameter, value)


def _check_text(parameter: Parameter, value: str) -> None:
    if re.search(r"[\x00\r\n]", value):
        raise BadValue(f"parameter {parameter.name} must not contain line breaks or NUL")
    if parameter.pattern and not re.fullmatch(parameter.pattern, value):
        raise BadValue(f"parameter {parameter.name}: {value!r} does not match {parameter.pattern}")


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
