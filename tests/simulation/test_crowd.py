"""Two customers, one of whom floods: no promise breaks, and wrong versions of the limits are detected."""

import pytest

from tests.simulation.crowd import play
from tests.simulation.mutants import hunt
from tests.simulation.wrong.crowd import CROWD

SCHEDULES = 10


def test_no_promise_breaks() -> None:
    assert {seed: wrongs for seed in range(SCHEDULES) if (wrongs := play(seed).wrongs)} == {}


@pytest.mark.parametrize("name", sorted(CROWD))
def test_wrong_limits_are_detected(name: str) -> None:
    assert hunt(name, seeds=20)[1]
