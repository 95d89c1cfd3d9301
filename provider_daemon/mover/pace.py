"""Limits the bandwidth of all transfers together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

BURST_SECONDS = 1.0  # of unused bandwidth that may be used later


class Bandwidth:
    """`bytes_per_second`: 0 for no limit. `now` and `sleep` are those of one clock, in seconds.

    `received` and `sent`: bytes since the start, also of transfers that failed.
    """

    def __init__(
        self,
        bytes_per_second: int,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate = bytes_per_second
        self._now = now
        self._sleep = sleep
        self.received = 0
        self.sent = 0
        self._free_at = 0.0  # when everything that was allowed so far has passed at the limit

    async def spend(self, size: int) -> None:
        """Returns when `size` more bytes may pass."""
        if not self._rate:
            return
        start = max(self._free_at, self._now() - BURST_SECONDS)
        self._free_at = start + size / self._rate
        if (wait := self._free_at - self._now()) > 0:
            await self._sleep(wait)

    async def receive(self, size: int) -> None:
        """Returns when `size` more received bytes may pass."""
        await self.spend(size)
        self.received += size

    def receiving(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        return self._limited(chunks, received=True)

    def sending(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        return self._limited(chunks, received=False)

    async def _limited(self, chunks: AsyncIterator[bytes], *, received: bool) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            if received:
                await self.receive(len(chunk))
            else:
                await self.spend(len(chunk))
                self.sent += len(chunk)
            yield chunk
