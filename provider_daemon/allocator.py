"""Keeps the memory of a long-running process flat under glibc.

By default each thread may get an arena of its own, and freed content stays in them: after a few transfers in
threads a process holds tens of megabytes that nobody uses.
"""

import ctypes
from contextlib import suppress

ARENAS = 2
LARGE = 512 * 1024  # bytes from which on a freed block goes back to the system at once
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # <malloc.h>


def limit() -> None:
    """To be called before the first thread starts. Without glibc it does nothing."""
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in ((_ARENA_MAX, ARENAS), (_MMAP_THRESHOLD, LARGE), (_TRIM_THRESHOLD, LARGE)):
            mallopt(parameter, value)
