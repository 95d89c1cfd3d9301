"""The one retry policy: a few quick attempts inside one port call. Everything longer is the next tick's."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from provider_daemon.errors import Transient

T = TypeVar("T")

ATTEMPTS = 3


async def quickly(
    call: Callable[[], Awaitable[T]], *, on: type[Exception] = Transient, seconds: float = 0.05
) -> T:
    """Calls again when `on` is raised, at most ATTEMPTS times in all; only for calls that may safely happen
    twice.

    The waits are random: up to `seconds` before the second attempt, up to twice that before the third.
    """

    async def attempt() -> T:
        # tenacity only awaits what is an async function itself, not what returns an awaitable
        return await call()

    policy = AsyncRetrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=seconds),
        retry=retry_if_exception_type(on),
        reraise=True,
    )
    return await policy(attempt)
