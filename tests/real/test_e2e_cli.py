"""The whole life of a cluster and five jobs by command lines alone."""

import pytest

from tests.e2e import cli

pytestmark = pytest.mark.real


@pytest.mark.timeout(400)
def test_life_cycle_billing_and_settlement() -> None:
    """Registered, offered, submitted, run on real SLURM, disputed, settled, deregistered; every balance is
    right to the uvirt."""
    assert cli.main() == 0
