"""How often an agent measures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.agent import pace
from provider_daemon.agent.pace import Interval


@pytest.mark.parametrize(
    ("cpu_percent", "changed", "wanted"),
    [(0, False, 300), (75, False, 300), (76, False, 450), (90, False, 450), (91, False, 600), (0, True, 150)],
)
def test_a_busy_node_is_measured_less_often(cpu_percent: int, changed: bool, wanted: float) -> None:
    """x1.5 above 75 % of the processors' time, x2 above 90 %, and half after a change of state."""
    assert pace.seconds(pace.LATENCY, cpu_percent, changed=changed) == wanted


@given(
    st.sampled_from([pace.CAPACITY, pace.GPU, pace.JOBS, pace.LATENCY]),
    st.integers(min_value=0, max_value=100),
    st.booleans(),
)
def test_never_more_often_than_the_least_interval(interval: Interval, busy: int, changed: bool) -> None:
    """Whatever changed."""
    assert pace.seconds(interval, busy, changed=changed) >= interval.least
