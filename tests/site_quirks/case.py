"""A case: something that a real site does, and what provd must make of it. The tables of cases are the lists in *_cases.py."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.site_quirks.stage import Stage


@dataclass(frozen=True, slots=True)
class Case:
    """`play` sets the quirk, looks, and returns what happened in a few words; it raises Wrong when that is not as expected.

    What it set is removed after it (Stage.restore). `short`: played in `make test` too.
    """

    name: str
    expected: str
    play: Callable[[Stage], Awaitable[str]]
    short: bool = False
