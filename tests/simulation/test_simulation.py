"""Fresh schedules in every test run; the seed is printed, and `make simulate SEED=...` plays a failing one
again."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS, hunt
from tests.simulation.schedule import play

SCHEDULES = 1000
ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_no_promise_breaks() -> None:
    """Kills, lost and late answers, lagging records, halted chains: never twice, never lost, never wrong; and
    every fault has struck."""
    # In processes of its own: what forks from a long test run drags all of its memory through every garbage
    # collection.
    played = subprocess.run(
        [sys.executable, "-m", "tests.simulation.run", "--n", str(SCHEDULES)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    print(played.stdout)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "violations 0" in played.stdout


def test_a_seed_plays_the_same_again() -> None:
    """Nothing but the seed decides what happens."""
    assert play(7).timeline == play(7).timeline


def test_promises_can_break() -> None:
    """A version without the look-up by name is caught: the simulation sees what it should."""
    name = "no search by name"
    assert name in MUTANTS
    assert hunt(name, seeds=200)[1]
