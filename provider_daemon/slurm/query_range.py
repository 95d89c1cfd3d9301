"""The longest period that one sacct query may cover (slurmdbd's MaxQueryTimeRange), and windows of it."""

import math
import re

from provider_daemon.errors import Unreadable
from provider_daemon.slurm.tres import elapsed_seconds

SPARE_SECONDS = 60  # each window is this much shorter than allowed: slurmdbd rounds both ends
MAX_WINDOWS = 100  # sacct commands per search, each of a tenth of a second

_SETTING = re.compile(r"^MaxQueryTimeRange\s*=\s*(\S+)\s*$", re.MULTILINE)
_HEADING = re.compile(r"^SlurmDBD configuration:\s*$", re.MULTILINE)
_UNLIMITED = frozenset({"UNLIMITED", "INFINITE", "NONE", "(null)"})


def query_range(text: str) -> int:
    """Parses `sacctmgr show config`, in seconds; 0 means no limit.

    Raises Unreadable if slurmdbd's section is missing.
    """
    if _HEADING.search(text) is None:
        raise Unreadable(f"sacctmgr show config: no SlurmDBD configuration in {text[:120]!r}")
    found = set(_SETTING.findall(text))
    if len(found) > 1:
        raise Unreadable(
            f"sacctmgr show config: several values of MaxQueryTimeRange: {', '.join(sorted(found))[:120]}"
        )
    value = next(iter(found), "UNLIMITED")
    return 0 if value.upper() in _UNLIMITED or value in _UNLIMITED else elapsed_seconds(value)


def windows(since: int, until: int, widest: int) -> list[tuple[int, int]]:
    """Splits [since, until] into adjacent windows of at most `widest` seconds, oldest first.

    Raises Unreadable if there would be too many.
    """
    step = max(widest - SPARE_SECONDS, 1)
    count = max(1, math.ceil((until - since) / step))
    if count > MAX_WINDOWS:
        raise Unreadable(
            f"sacct: the site's MaxQueryTimeRange of {widest} s would need {count} queries to search "
            f"{until - since} s; at most {MAX_WINDOWS} are sent: raise MaxQueryTimeRange in slurmdbd.conf"
        )
    return [(since + number * step, min(since + (number + 1) * step, until)) for number in range(count)]
