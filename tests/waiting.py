"""The way in which runs without pytest wait for others: polling, up to a limit."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.expect import Wrong


async def until(
    what: str, holds: Callable[[], Awaitable[object] | object], limit: float, pause: float = 0.1
) -> float:
    """Returns the seconds until `holds` was true.

    Raises Wrong after `limit` seconds, even during a poll.
    """
    began = time.monotonic()
    try:
        async with asyncio.timeout(limit) as patience:
            while not await _seen(holds):
                await asyncio.sleep(pause)
    except TimeoutError:
        if not patience.expired():
            raise
        raise Wrong(f"not within {limit:g} s: {what}") from None
    return time.monotonic() - began


async def _seen(holds: Callable[[], Awaitable[object] | object]) -> bool:
    found = holds()
    return bool(await found if isinstance(found, Awaitable) else found)
