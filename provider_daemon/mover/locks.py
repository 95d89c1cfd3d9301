"""Limits on what runs at a time: locks by name, and slots."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager


class Slots:
    """Several semaphores as one, always acquired in their order."""

    def __init__(self, *semaphores: asyncio.Semaphore) -> None:
        self._semaphores = semaphores

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for each in self._semaphores:
                await stack.enter_async_context(each)
            yield


class Locks:
    """Locks by name, which exist only while somebody holds or awaits them."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = lock, users - 1

    def held(self, name: str) -> bool:
        """Returns whether somebody holds or awaits the lock."""
        return name in self._locks
