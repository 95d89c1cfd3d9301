"""The retry policy: a few quick attempts inside one port call. Longer waits are left to the next tick."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from provider_daemon.errors import Transient

T = TypeVar("T")

ATTEMPTS = 3


async def quickly(
    call: Callable[[], Awaitable[T]], *, on: type[Exception] = Transient, seconds: float = 0.05
) -> T:
    """Calls again if `on` is raised, at most ATTEMPTS times in all.

    Only for calls that may safely happen twice. The waits are random: up to `seconds` before the second
    attempt, up to twice that before the third.
    """

    async def attempt() -> T:
        # tenacity awaits only async functions, not functions that return an awaitable
        return await call()

    policy = AsyncRetrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=seconds),
        retry=retry_if_exception_type(on),
        reraise=True,
    )
    return await policy(attempt)
