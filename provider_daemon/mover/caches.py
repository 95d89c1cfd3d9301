"""The caches of inputs of one cluster: a hard link needs one owner, so each user of a pool has its own."""

from collections.abc import Awaitable, Callable, Iterable

from provider_daemon.errors import ProvdError
from provider_daemon.mover.cache import Cache


class Caches:
    """`make`: Unix user -> its cache; "" is the shared user. `users`: the pool's users with a customer."""

    def __init__(self, make: Callable[[str], Cache], users: Callable[[], Iterable[str]]) -> None:
        self._make = make
        self._users = users
        self._made: dict[str, Cache] = {}

    def of(self, user: str) -> Cache:
        if user not in self._made:
            self._made[user] = self._make(user)
        return self._made[user]

    async def evict(self) -> int:
        """Keeps each cache within its limit. Returns the bytes that are left in all."""
        return await self._all(Cache.evict)

    async def sweep(self, before: float) -> int:
        """Deletes files without a row, as Cache.sweep. Returns how many there were."""
        return await self._all(lambda cache: cache.sweep(before))

    async def _all(self, work: Callable[[Cache], Awaitable[int]]) -> int:
        """Returns the sum. A user whose files cannot be used stops no other; the first failure is raised."""
        total, failures = 0, list[ProvdError]()
        for user in ("", *self._users()):
            try:
                total += await work(self.of(user))
            except ProvdError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return total
