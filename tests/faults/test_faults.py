"""The quickest of the real faults; `make faults` makes all of them."""

import pytest

from tests.faults.run import chosen, play

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


async def test_the_quickest_faults() -> None:
    """A site daemon, the wire to the chain, the wallet: each told once, caught up with, no job wrong, lost or
    twice."""
    faults = chosen(["munged stopped", "gRPC: connections cut", "wallet emptied"])
    assert len(faults) == 3
    assert [problem for row in await play(faults) for problem in row.problems] == []
