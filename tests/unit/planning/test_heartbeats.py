"""When a node that did not change is reported again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.planning.heartbeats import OFFLINE_SECONDS, RESERVE, interval, is_due, patience


@given(st.integers(1, 60), st.integers(60, 10_000), st.booleans())
def test_never_later_than_the_chain_allows(period: int, timeout: int, usable: bool) -> None:
    """Polled every `period` seconds, a node is reported before three quarters of the chain's patience, and
    no earlier than the poll before that; `interval` is that time."""
    limit, age = patience(timeout, usable=usable), 0.0
    while not is_due(age, period, limit):
        age += period
    assert age <= max(limit, period)
    assert age + period > limit
    assert interval(period, limit) == pytest.approx(max(age, period))


def test_patience() -> None:
    """That of the parameter, but never that after which the chain takes a node offline whatever it says."""
    assert patience(120, usable=True) == 120 * (1 - RESERVE)
    assert patience(0, usable=True) == 120 * (1 - RESERVE)
    assert patience(5000, usable=True) == OFFLINE_SECONDS * (1 - RESERVE)
    assert patience(120, usable=False) == 1350.0
