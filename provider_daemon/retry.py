"""The one retry policy: a few quick attempts inside one port call. Everything longer is the next tick's."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from provider_daemon.errors import Transient

T = TypeVar("T")

ATTEMPTS = 3
_POLICY = AsyncRetrying(
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_random_exponential(multiplier=0.05, max=0.5),
    retry=retry_if_exception_type(Transient),
    reraise=True,
)


async def quickly(call: Callable[[], Awaitable[T]]) -> T:
    """Again on Transient, at most ATTEMPTS times within about a second; only for calls that may safely happen twice."""

    async def attempt() -> T:
        return await call()  # tenacity only awaits what is an async function itself, not what returns an awaitable

    return await _POLICY.copy()(attempt)
