"""Calendar months in UTC."""

import re
from datetime import UTC, datetime

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


def month_of(at: float) -> str:
    """Returns the month of a time in seconds since the epoch, such as 2026-11."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m}"


def bounds(month: str) -> tuple[float, float]:
    """Returns the first second of the month and that of the next one. Raises ValueError for another text."""
    found = _MONTH.fullmatch(month)
    if found is None or not 1970 <= int(found[1]) <= 9998:
        raise ValueError(f"invalid month: {month!r} must be a year and a month, such as 2026-11")
    year, number = int(found[1]), int(found[2])
    following = (year + 1, 1) if number == 12 else (year, number + 1)
    return _start(year, number), _start(*following)


def months(first: float, last: float) -> list[str]:
    """Returns every month from that of `first` to that of `last`."""
    found = [month_of(first)]
    while found[-1] < month_of(last):
        found.append(month_of(bounds(found[-1])[1]))
    return found


def _start(year: int, month: int) -> float:
    return datetime(year, month, 1, tzinfo=UTC).timestamp()
