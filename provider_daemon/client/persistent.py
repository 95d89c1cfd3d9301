"""Repeats a transfer for as long as it makes progress."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from provider_daemon.errors import Transient
from provider_daemon.retry import quickly

T = TypeVar("T")


async def persistently(attempt: Callable[[], Awaitable[T]], progress: Callable[[], int], seconds: float) -> T:
    """Calls `attempt` until it returns; each call continues where the one before was interrupted.

    `seconds`: the longest wait before the second of a few quick attempts.
    Raises the Transient of the last attempt after retry.ATTEMPTS attempts in a row without progress.
    """
    while True:
        before = progress()
        try:
            return await quickly(attempt, seconds=seconds)
        except Transient:
            if progress() <= before:
                raise
