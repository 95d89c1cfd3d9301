"""The quickest of the real faults; `make faults` runs all of them."""

import pytest

from tests.faults import data_faults
from tests.faults.run import chosen, play

pytestmark = pytest.mark.real


async def test_the_quickest_faults() -> None:
    """A site daemon, the network to the chain, the wallet: each is logged once and recovered from.

    No job is wrong, lost or twice in SLURM.
    """
    faults = chosen(["munged stopped", "gRPC: connections cut", "wallet emptied"])
    assert len(faults) == 3
    assert [problem for row in await play(faults) for problem in row.problems] == []


async def test_the_quickest_faults_of_data() -> None:
    """A source that sends other content, and a gateway that is killed in the middle of a download."""
    cases = [case for case in data_faults.FAULTS if case.short]
    assert len(cases) == 2
    assert await data_faults.RUN.play(cases) == {data_faults.RUN.right: 2}
