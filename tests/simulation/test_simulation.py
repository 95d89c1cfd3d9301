"""Fresh schedules in every test run; the seed is printed, and `make simulate SEED=...` plays a failing one again."""

import secrets

import pytest

from tests.simulation.mutants import MUTANTS, hunt
from tests.simulation.run import tally
from tests.simulation.schedule import play

SCHEDULES = 300


@pytest.mark.timeout(300)
def test_no_promise_breaks() -> None:
    """Kills, lost and late answers, lagging records, halted chains: never twice, never lost, never wrong."""
    first = secrets.randbelow(10**9)
    print(f"seeds {first} to {first + SCHEDULES - 1}")
    deeds, bad = tally(map(play, range(first, first + SCHEDULES)))
    assert {result.seed: result.wrongs for result in bad} == {}
    assert deeds["kill"] + deeds["kill_at_commit"] > SCHEDULES


def test_a_seed_plays_the_same_again() -> None:
    """Nothing but the seed decides what happens."""
    assert play(7).timeline == play(7).timeline


def test_promises_can_break() -> None:
    """A version without the look-up by name is caught: the simulation sees what it should."""
    name = "no look-up by name"
    assert name in MUTANTS
    assert hunt(name, seeds=200)[1]
