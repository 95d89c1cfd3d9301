"""Runs queries under one deadline: a failure or timeout becomes an Unknown, never an error."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from provider_daemon.doctor.finding import Unknown
from provider_daemon.errors import ProvdError

T = TypeVar("T")


class Deadline:
    """Must be created inside the event loop; `seconds` is the time limit of all its queries together."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = asyncio.get_running_loop().time() + seconds

    def restart(self) -> None:
        """Restarts the time limit, after a slow login."""
        self._end = asyncio.get_running_loop().time() + self._seconds

    async def __call__(
        self, question: Callable[[], Awaitable[T]], missing: Unknown | None = None
    ) -> T | Unknown:
        """Returns the answer, or `missing` without a query if it is set."""
        if missing is not None:
            return missing
        try:
            async with asyncio.timeout_at(self._end):
                return await question()
        except TimeoutError:
            return Unknown(f"no answer within {self._seconds:.0f} s")
        except ProvdError as error:
            return Unknown(str(error))


def because(fact: object, why: str, cause: str) -> Unknown | None:
    """Returns the Unknown for whatever needs `fact`, or None if the fact is known."""
    if not isinstance(fact, Unknown):
        return None
    return Unknown(why, fact.cause or cause)
