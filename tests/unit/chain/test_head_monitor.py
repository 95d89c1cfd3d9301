"""A chain without new blocks, and a clock that is wrong, are noticed from the blocks themselves."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from provider_daemon.chain.head_monitor import APART_SECONDS, HALTED_SECONDS, HeadMonitor
from provider_daemon.ongoing import OngoingProblems

NOW = 1_000_000.0


@pytest.fixture
def said() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def events(said: list[Any]) -> list[str]:
    return [line["event"] for line in said]


def test_a_halted_chain(said: list[Any]) -> None:
    """Thirty seconds at one height are a halt: one line, one trouble, until there is a block again."""
    ongoing = OngoingProblems()
    monitor = HeadMonitor("chain-1", ongoing)
    for elapsed in (0.0, 1.0, HALTED_SECONDS + 0.5):
        monitor.saw(7, NOW, NOW, elapsed)
    assert events(said) == []
    for elapsed in (HALTED_SECONDS + 1.5, HALTED_SECONDS + 3):
        monitor.saw(7, NOW, NOW, elapsed)
    assert events(said) == ["chain_halted"]
    assert ongoing.lasting() == [("chain_halted", "chain-1")]
    monitor.saw(8, NOW, NOW, 100.0)
    assert events(said) == ["chain_halted", "chain_resumed"]
    assert ongoing.lasting() == []


def test_nobody_looked(said: list[Any]) -> None:
    """While no endpoint answered nothing is known, so the first look after it, at an old height, is no
    halt."""
    monitor = HeadMonitor("chain-1", OngoingProblems())
    monitor.saw(7, NOW, NOW, 0.0)
    monitor.saw(6, NOW, NOW, 500.0)
    assert events(said) == []


@pytest.mark.parametrize(("jump", "words"), [(3600, "3600 s ahead of"), (-3600, "3600 s behind")])
def test_the_clock_was_set_wrong(said: list[Any], jump: int, words: str) -> None:
    """Two blocks in a row far from our time: one line that says by how much, until they agree again."""
    ongoing = OngoingProblems()
    monitor = HeadMonitor("chain-1", ongoing)
    monitor.saw(1, NOW, NOW + 2, 0.0)
    for height in (2, 3, 4):
        monitor.saw(height, NOW, NOW + jump, float(height))
    assert events(said) == ["clocks_differ"]
    assert words in said[0]["why"]
    assert ongoing.lasting() == [("clocks_differ", "chain-1")]
    monitor.saw(5, NOW, NOW - APART_SECONDS, 5.0)
    assert events(said) == ["clocks_differ", "clocks_agree"]


def test_the_first_block_after_a_halt(said: list[Any]) -> None:
    """It has the time of before the halt: our clock is not to blame."""
    monitor = HeadMonitor("chain-1", OngoingProblems())
    monitor.saw(7, NOW, NOW, 0.0)
    monitor.saw(8, NOW, NOW + 400, 400.0)
    monitor.saw(9, NOW + 400, NOW + 401, 401.0)
    assert events(said) == []
