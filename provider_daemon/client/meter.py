"""Where transfers report their progress. Pure: `provd` draws bars with it, a library may ignore it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Meter(Protocol):
    def transfer(self, what: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Shows one transfer of `total` bytes. The function that is returned sets the bytes done so far."""
        ...


class NoMeter:
    """Shows nothing."""

    @contextmanager
    def transfer(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        yield lambda done: None
