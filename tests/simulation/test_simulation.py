"""The same schedules in every test run, so that a failure is one of the change under test.

`make simulate` plays fresh ones, and `make simulate SEED=...` replays a failing one.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS, crashed, hunt
from tests.simulation.nodes import play as play_nodes
from tests.simulation.pool.schedule import play as play_pool
from tests.simulation.schedule import play

SCHEDULES = 300
POOL_SCHEDULES = 15
NODES_SCHEDULES = 10
ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(1800)
def test_no_promise_breaks() -> None:
    """No promise breaks under kills, lost and late answers, late records and halted chains.

    No job runs twice, is lost or is reported wrongly.
    """
    # In separate processes: a fork of a long test run carries all of its memory through every garbage
    # collection.
    played = subprocess.run(
        [sys.executable, "-m", "tests.simulation.run", "--first", "0", "--n", str(SCHEDULES)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    print(played.stdout)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "violations 0" in played.stdout


def test_no_customer_gets_anothers_user() -> None:
    """A few schedules of the third mode; `make simulate MODE=pool` plays more."""
    assert [wrong for seed in range(POOL_SCHEDULES) for wrong in play_pool(seed).wrongs] == []


def test_no_sick_node_is_sold() -> None:
    """A few schedules of the mode with node agents; `make simulate MODE=nodes` plays more."""
    assert [wrong for seed in range(NODES_SCHEDULES) for wrong in play_nodes(seed).wrongs] == []


def test_a_seed_plays_the_same_again() -> None:
    """A seed determines everything that happens."""
    assert play(7).timeline == play(7).timeline


def test_promises_can_break() -> None:
    """The simulation detects a version that does not search by name."""
    name = "no search by name"
    assert name in MUTANTS
    assert hunt(name, seeds=200)[1]


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_every_wrong_version_replaces_what_exists(name: str) -> None:
    """A name that was changed in the real code is changed here too: otherwise nothing is tested."""
    assert [attribute for place, attribute, _ in MUTANTS[name] if not hasattr(place, attribute)] == []


def test_a_wrong_version_that_does_not_fit_is_not_detected() -> None:
    """An error of the wrong version itself proves nothing."""
    assert crashed("3 a tick is broken: AttributeError: 'Rejections' object has no attribute '_chain'")
    assert not crashed("3 the escrow is paid twice")
