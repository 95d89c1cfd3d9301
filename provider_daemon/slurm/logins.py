"""The logins of one site: the main one and, with `accounts = "pool"`, one for each pool user."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    async def close(self) -> None: ...


T = TypeVar("T", bound=Closable, covariant=True)


class SiteLogins(Generic[T]):
    """The main login runs queries and scancel; jobs and files of a pool user are that user's own.

    `make` returns the transport of a pool user; None where all customers' jobs run as the main user.
    """

    def __init__(self, main: T, make: Callable[[str], T] | None = None) -> None:
        self._main = main
        self._make = make
        self._users: dict[str, T] = {}

    @property
    def main(self) -> T:
        return self._main

    def as_user(self, user: str) -> T:
        """Returns the transport of a job's user; "" is the main user.

        Raises ValueError for a pool user where there are none: the caller has mixed up two clusters.
        """
        if not user:
            return self.main
        if self._make is None:
            raise ValueError(f"cannot log in as {user!r}: all jobs of this cluster run as one user")
        if user not in self._users:
            self._users[user] = self._make(user)
        return self._users[user]

    async def close(self) -> None:
        for transport in (self.main, *self._users.values()):
            await transport.close()
