"""Fresh schedules in every test run; the seed is printed, and `make simulate SEED=...` plays a failing one again."""

import secrets
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.simulation.mutants import MUTANTS, hunt
from tests.simulation.run import PORTS, PROCESSES, never_struck, tally
from tests.simulation.schedule import play

SCHEDULES = 1000


@pytest.mark.timeout(600)
def test_no_promise_breaks() -> None:
    """Kills, lost and late answers, lagging records, halted chains: never twice, never lost, never wrong; and every fault has struck."""
    first = secrets.randbelow(10**9)
    print(f"seeds {first} to {first + SCHEDULES - 1}")
    with ProcessPoolExecutor(PROCESSES) as pool:
        deeds, bad = tally(pool.map(play, range(first, first + SCHEDULES), chunksize=20))
    assert {result.seed: result.wrongs for result in bad} == {}
    assert never_struck(PORTS, deeds) == []
    assert deeds["kill"] + deeds["kill_at_commit"] > SCHEDULES


def test_a_seed_plays_the_same_again() -> None:
    """Nothing but the seed decides what happens."""
    assert play(7).timeline == play(7).timeline


def test_promises_can_break() -> None:
    """A version without the look-up by name is caught: the simulation sees what it should."""
    name = "no look-up by name"
    assert name in MUTANTS
    assert hunt(name, seeds=200)[1]
