"""The five kinds of cap."""

from dataclasses import replace

import pytest

from provider_daemon.money.caps import Cap, CapType, caps
from provider_daemon.money.discounts import Reduction
from provider_daemon.money.purchase import Past, Purchase

DAY = 86_400
NOW = 100 * DAY


def spent(seconds_ago: int, total: int = 600, cluster: str = "HPC-1") -> Past:
    return Past(ended_at=NOW - seconds_ago, cluster_id=cluster, total=total)


def taken(cap: Cap, *jobs: Past, amount: int = 1_000) -> int:
    return sum(
        reduction.amount
        for reduction in caps([cap], amount, Purchase(cluster_id="HPC-1", ended_at=NOW, past=jobs))
    )


def test_per_job() -> None:
    """The past does not matter; at the amount itself nothing is taken."""
    cap = Cap("c", CapType.PER_JOB, 900, name="each")
    assert caps([cap], 1_000, Purchase()) == (Reduction("c", "each", "per_job", 100),)
    assert taken(cap, spent(0)) == 100
    assert caps([cap], 900, Purchase()) == ()


@pytest.mark.parametrize(
    ("kind", "seconds"), [(CapType.DAILY, DAY), (CapType.WEEKLY, 7 * DAY), (CapType.MONTHLY, 30 * DAY)]
)
def test_periods(kind: CapType, seconds: int) -> None:
    """What was spent within the period counts, to the second."""
    cap = Cap("c", kind, 1_000)
    assert taken(cap, spent(seconds - 1)) == 600
    assert taken(cap, spent(seconds)) == 0
    assert taken(cap, spent(0, 400), spent(1, 500)) == 900


def test_total() -> None:
    """Everything ever, unless it has a period."""
    cap = Cap("c", CapType.TOTAL, 1_000)
    assert taken(cap, spent(NOW)) == 600
    assert taken(replace(cap, period_seconds=10), spent(9)) == 600
    assert taken(replace(cap, period_seconds=10), spent(10)) == 0


def test_a_period_of_its_own() -> None:
    assert taken(Cap("c", CapType.DAILY, 1_000, period_seconds=3_600), spent(3_600)) == 0
    assert taken(Cap("c", CapType.DAILY, 1_000, period_seconds=3_600), spent(3_599)) == 600


def test_per_cluster() -> None:
    """Only what was spent on the job's own cluster."""
    cap = Cap("c", CapType.TOTAL, 1_000, per_cluster=True)
    assert taken(cap, spent(1, cluster="HPC-2")) == 0
    assert taken(cap, spent(1)) == 600
    assert taken(replace(cap, per_cluster=False), spent(1, cluster="HPC-2")) == 600


def test_a_period_that_is_spent() -> None:
    """Leaves nothing, never less than nothing."""
    assert taken(Cap("c", CapType.TOTAL, 500), spent(1)) == 1_000


def test_inactive() -> None:
    assert taken(Cap("c", CapType.PER_JOB, 0, active=False)) == 0


def test_several_take_off_what_the_others_leave() -> None:
    """Each sees the amount that is left, whatever the order."""
    rules = [Cap("a", CapType.PER_JOB, 900), Cap("b", CapType.PER_JOB, 700), Cap("c", CapType.PER_JOB, 800)]
    assert [(found.rule_id, found.amount) for found in caps(rules, 1_000, Purchase())] == [
        ("a", 100),
        ("b", 200),
    ]
