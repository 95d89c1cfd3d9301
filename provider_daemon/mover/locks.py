"""Limits on what runs at a time: locks by name, and slots that customers share."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager


class FairSlots:
    """`most` slots. One customer gets at most all but one of them, however slow its servers are.

    A free slot goes to the waiting customer who holds the fewest; equal ones take turns.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._share = max(1, most - 1)
        self._held = Counter[str]()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def held(self) -> int:
        return self._held.total()

    @asynccontextmanager
    async def hold(self, customer: str) -> AsyncIterator[None]:
        await self._acquire(customer)
        try:
            yield
        finally:
            self._release(customer)

    async def _acquire(self, customer: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(customer, deque()).append(turn)
        self._grant()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was granted before this task could run
                self._release(customer)
            raise

    def _release(self, customer: str) -> None:
        self._held[customer] -= 1
        if not self._held[customer]:
            del self._held[customer]
        self._grant()

    def _grant(self) -> None:
        while self.held < self._most:
            able = [each for each in self._waiting if self._held[each] < self._share]
            if not able:
                return
            customer = min(able, key=self._held.__getitem__)
            turns = self._waiting.pop(customer)
            turn = turns.popleft()
            if turns:
                self._waiting[customer] = turns  # behind the others
            if not turn.cancelled():
                self._held[customer] += 1
                turn.set_result(None)


class Slots:
    """Several kinds of slots as one, always acquired in their order."""

    def __init__(self, *kinds: FairSlots) -> None:
        self._kinds = kinds

    @asynccontextmanager
    async def hold(self, customer: str) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for each in self._kinds:
                await stack.enter_async_context(each.hold(customer))
            yield


class Budget:
    """At most `most` units of each customer are held at a time; who asks for more holds them alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = Counter[str]()
        self._waiting: dict[str, deque[tuple[int, asyncio.Future[None]]]] = {}

    @asynccontextmanager
    async def hold(self, customer: str, units: int) -> AsyncIterator[None]:
        """First come, first served."""
        units = min(units, self._most)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(customer, deque()).append((units, turn))
        self._grant(customer)
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._held[customer] -= units
            turn.cancel()
            self._grant(customer)

    def _grant(self, customer: str) -> None:
        turns = self._waiting.get(customer, deque())
        while turns and (turns[0][1].cancelled() or self._held[customer] + turns[0][0] <= self._most):
            units, turn = turns.popleft()
            if not turn.cancelled():
                self._held[customer] += units
                turn.set_result(None)
        if not turns:
            self._waiting.pop(customer, None)
        if not self._held[customer]:
            del self._held[customer]


class Locks:
    """Locks by name, which exist only while somebody holds or awaits them."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, *names: str) -> AsyncIterator[None]:
        """Several locks are always acquired in the order of their names, so that nobody waits in a circle."""
        held: list[str] = []
        try:
            for name in sorted(names):
                await self._acquire(name)
                held.append(name)
            yield
        finally:
            for name in held:
                self._locks[name][0].release()
                self._forget(name)

    async def _acquire(self, name: str) -> None:
        lock, users = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = lock, users + 1
        try:
            await lock.acquire()
        except BaseException:
            self._forget(name)
            raise

    def _forget(self, name: str) -> None:
        lock, users = self._locks.pop(name)
        if users > 1:
            self._locks[name] = lock, users - 1

    def held(self, name: str) -> bool:
        """Returns whether somebody holds or awaits the lock."""
        return name in self._locks
