"""How a run that has started daemons ends."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


async def until_told(playing: Coroutine[None, None, T]) -> T:
    """SIGTERM takes everything down too."""
    task = asyncio.ensure_future(playing)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task
