"""Durations as people write them: 90, 90s, 10m, 1h30m, 2d. Pure."""

import re

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_TEXT = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s?)?", re.ASCII)


def seconds(value: object) -> int:
    """Returns the seconds of an integer or a text. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not any(found.groups()):
        raise ValueError("must be seconds, or a duration such as 90s, 10m, 1h30m or 2d")
    return sum(
        int(number) * unit for number, unit in zip(found.groups(), _UNITS.values(), strict=True) if number
    )


def text(value: int) -> str:
    """Returns the shortest form: 5400 -> 1h30m."""
    parts = []
    for unit, size in _UNITS.items():
        count, value = divmod(value, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
