"""What a customer bought before."""

from provider_daemon.job.usage import Usage
from provider_daemon.money.fixed import ONE
from provider_daemon.money.purchase import UNKNOWN, Past, Purchase, bought


def test_hours_are_summed() -> None:
    """Over jobs, by unit; fractions of hours add up."""
    jobs = (Past(usage=Usage(0, 1800, 0, 7200, node_hours=1)), Past(usage=Usage(0, 1800, node_hours=2)))
    assert [bought(jobs, unit) for unit in ("cpu_core_hours", "gpu_hours", "node_hours")] == [
        ONE,
        2 * ONE,
        3 * ONE,
    ]
    assert bought((), "gpu_hours") == 0


def test_on_this_cluster() -> None:
    here, there = Past(cluster_id="HPC-1"), Past(cluster_id="HPC-2")
    assert Purchase(cluster_id="HPC-1", past=(here, there)).on_this_cluster() == (here,)


def test_uses() -> None:
    assert Purchase(past=(Past(discounts=("a", "b")), Past(discounts=("b",)))).uses("b") == 2
    assert UNKNOWN.uses("b") == 0
