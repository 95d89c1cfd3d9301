"""The daemon under SIGKILL, on real SLURM."""

import random

import pytest

from tests.crash.run import crash

pytestmark = pytest.mark.real


async def test_twenty_kills() -> None:
    """After kills at twenty random moments the jobs' results are those of an undisturbed run.

    No job runs twice and none is lost.
    """
    assert await crash(kills=20, seed=random.SystemRandom().randrange(2**31)) == 0
