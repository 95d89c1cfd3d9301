"""The Unix users of `[clusters.pool]`: names, and patterns such as `provd-c[001-050]`. Pure."""

import re
from collections.abc import Iterable

_PATTERN = re.compile(r"([a-z_][a-z0-9_-]*)\[(\d{1,4})-(\d{1,4})\]")
MAX_NAME = 31  # characters that useradd accepts


def expand(pattern: str) -> tuple[str, ...]:
    """Returns the names of one entry, in order. Numbers keep the width of the first one.

    Raises ValueError if the range is empty, or has ends of different width.
    """
    found = _PATTERN.fullmatch(pattern)
    if found is None:
        return (pattern,)
    stem, first, last = found.groups()
    if len(first) != len(last) or int(first) > int(last):
        raise ValueError(
            f"{pattern!r}: the range must ascend, and both ends must have the same number of digits"
        )
    return tuple(f"{stem}{number:0{len(first)}}" for number in range(int(first), int(last) + 1))


def pool_users(patterns: Iterable[str]) -> tuple[str, ...]:
    """Returns all names, in order. Raises as `expand`, and for a name that is too long or listed twice."""
    users = [user for pattern in patterns for user in expand(pattern)]
    if twice := sorted({user for user in users if users.count(user) > 1}):
        raise ValueError(f"{twice[0]!r} is listed twice")
    if long := [user for user in users if len(user) > MAX_NAME]:
        raise ValueError(f"{long[0]!r} has more than {MAX_NAME} characters")
    return tuple(users)
