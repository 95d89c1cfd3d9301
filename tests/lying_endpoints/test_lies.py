"""The most dangerous lies to the real daemon; `make lying-endpoints` runs all of them."""

import pytest

from tests.lying_endpoints.lies import KINDS
from tests.lying_endpoints.run import play

pytestmark = pytest.mark.real
LIES = ("height +1,000,000", "false cancel", "invented job", "false inclusion")


async def test_the_most_dangerous_lies() -> None:
    """A height, a cancel, a job and an inclusion invented by the first of three endpoints have no effect."""
    kinds = [kind for kind in KINDS if kind.name in LIES]
    assert len(kinds) == len(LIES)
    assert [problem for row in await play(kinds, ["first"]) for problem in row.problems] == []
