"""The most that a job can cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.job.pricing import Pricing
from provider_daemon.job.references import DataReference
from provider_daemon.job.spec import Resources
from provider_daemon.job.usage import Usage
from provider_daemon.money.bill import bill
from provider_daemon.money.estimate import most_use, worst_bill
from provider_daemon.money.pricing import price_rules
from provider_daemon.money.quantities import Asked, node_hours_seen, use_of
from provider_daemon.money.rules import DEFAULT

ASKED = Resources(2, 4, 8, 1, "a100", storage_gb=5)


def test_everything_until_the_limit() -> None:
    """Storage for each started hour, inputs once."""
    inputs = [DataReference(size_bytes=7), DataReference(size_bytes=8), DataReference()]
    assert most_use(ASKED, 3601, inputs) == Usage(3601, 8 * 3601, 16 * 3601, 2 * 3601, 10, 15, 0, 2, 2)
    assert most_use(ASKED, 3600, []).storage_gb_hours == 5


def test_a_negative_size_is_no_discount() -> None:
    """The chain accepts any number there."""
    found = most_use(
        Resources(1, storage_gb=-5), 60, [DataReference(size_bytes=-9), DataReference(size_bytes=4)]
    )
    assert (found.storage_gb_hours, found.network_bytes_in) == (0, 4)


def test_its_bill() -> None:
    """By the offering's prices; node-hours have decimals, as for a job that its customer cancels."""
    found = worst_bill(ASKED, 1800, [], price_rules(DEFAULT, Pricing(node_hour="60000"), "2"))
    assert (found.node, found.gpu, found.cpu, found.storage) == (120_000, 300_000, 80_000, 1_000)


@given(
    st.integers(1, 4),
    st.integers(0, 64),
    st.integers(0, 64),
    st.integers(0, 4),
    st.integers(1, 9_999),
    st.data(),
)
def test_no_bill_is_higher(
    nodes: int, cpus: int, memory: int, gpus: int, limit: int, data: st.DataObject
) -> None:
    """Whatever the job uses until its limit, reported or cancelled."""
    asked = Resources(nodes, cpus, memory, gpus)
    used = use_of(Asked.per_node(nodes, cpus, memory, gpus), data.draw(st.integers(0, limit)))
    most = worst_bill(asked, limit, [], DEFAULT).total
    assert bill(used).total <= most
    assert bill(used, node_hours=node_hours_seen(used, 60)).total <= most


@pytest.mark.parametrize("limit", [1, 60])
def test_the_minimum_is_the_least(limit: int) -> None:
    assert worst_bill(Resources(1), limit, [], DEFAULT).total == DEFAULT.minimum_charge
