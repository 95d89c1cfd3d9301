"""The daemon under SIGKILL, on real SLURM."""

import random

import pytest

from tests.crash.run import crash

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


async def test_twenty_kills() -> None:
    """Killed at twenty random moments, the daemon ends with what an undisturbed run gives: nothing twice,
    nothing lost."""
    assert await crash(kills=20, seed=random.SystemRandom().randrange(2**31)) == 0
