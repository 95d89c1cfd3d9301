"""How a run ends that has started daemons."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


async def until_told(playing: Coroutine[None, None, T]) -> T:
    """Handles SIGTERM, so that it stops everything too."""
    task = asyncio.ensure_future(playing)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task
