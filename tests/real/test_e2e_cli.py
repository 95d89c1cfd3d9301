"""The whole life of a cluster and five jobs by command lines alone."""

import pytest

from tests.e2e import cli

pytestmark = pytest.mark.real


def test_life_cycle_billing_and_settlement() -> None:
    """Every balance is right to the uvirt after the whole life cycle.

    The cluster is registered and offered; jobs are submitted, run on real SLURM, disputed and settled; the
    cluster is deregistered.
    """
    assert cli.main() == 0
