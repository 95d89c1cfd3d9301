"""HTTP requests to the processes beside the daemon."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp

from provider_daemon.errors import Transient

T = TypeVar("T")
BODY_BYTES = 65536


async def translated(question: Callable[[], Awaitable[T]]) -> T:
    """Raises Transient for whatever goes wrong with an HTTP request or its answer."""
    try:
        return await question()
    except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
        raise Transient(str(error) or type(error).__name__) from None


async def problems(session: aiohttp.ClientSession, listen: str) -> tuple[str, ...]:
    """Returns the lines of /readyz, none if the process is ready."""
    async with session.get(f"http://{listen}/readyz") as answer:
        text = (await answer.content.read(BODY_BYTES)).decode(errors="replace")
        return () if answer.status == 200 else tuple(text.splitlines()) or (f"HTTP status {answer.status}",)
