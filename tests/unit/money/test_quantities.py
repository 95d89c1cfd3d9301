"""Usage -> hours and GB, in fixed point."""

import pytest

from provider_daemon.job.usage import Usage
from provider_daemon.money.fixed import ONE, ratio
from provider_daemon.money.quantities import Asked, node_hours_seen, quantities, use_of
from provider_daemon.money.rates import Component

HOUR = 3600


def test_units() -> None:
    """Seconds by 3,600, bytes of both directions by 2^30; storage comes in GB-hours."""
    usage = Usage(HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 5, 2**30, 2**29, 6, 1)
    assert list(quantities(usage, 60).values()) == [2 * ONE, 3 * ONE, 4 * ONE, 5 * ONE, 3 * ONE // 2, 6 * ONE]


@pytest.mark.parametrize(("wall", "billed"), [(1, 60), (59, 60), (60, 60), (61, 120), (3601, 3660)])
@pytest.mark.parametrize("part", [Component.CPU, Component.MEMORY, Component.GPU])
def test_time_is_billed_in_steps(wall: int, billed: int, part: Component) -> None:
    """Everything that counts in seconds grows as the wall clock does when it is rounded up to the minute."""
    usage = Usage(wall, 36 * wall, 36 * wall, 36 * wall)
    assert quantities(usage, 60)[part] == ratio(36 * billed, HOUR)


def test_a_step_of_a_second_is_none() -> None:
    assert quantities(Usage(61, 61), 1)[Component.CPU] == ratio(61, HOUR)


def test_without_a_wall_clock_nothing_grows() -> None:
    """Core-seconds alone are billed as they are, not sixtyfold."""
    assert quantities(Usage(cpu_core_seconds=HOUR), 60)[Component.CPU] == ONE


def test_decimal_node_hours_win() -> None:
    """Where they are known; 0 is known too."""
    usage = Usage(node_hours=3)
    assert [quantities(usage, 60, known)[Component.NODE] for known in (None, ONE // 2, 0)] == [
        3 * ONE,
        ONE // 2,
        0,
    ]


def test_what_was_asked_for_is_used_all_the_time() -> None:
    """Two nodes of 4 cores, 8 GB and 3 GPUs for half an hour and a second; the wire's node-hours are
    whole."""
    asked = Asked.per_node(2, 4, 8, 3)
    assert asked == Asked(nodes=2, cpus=8, memory_gb=16, gpus=6)
    assert use_of(asked, 1801) == Usage(1801, 8 * 1801, 16 * 1801, 6 * 1801, node_hours=1, nodes_used=2)


def test_node_hours_that_the_chain_saw() -> None:
    """Decimal, and in steps as all time is: two nodes for 1,801 s are 3,720 node-seconds."""
    assert node_hours_seen(use_of(Asked(2), 1801), 60) == ratio(3720, HOUR)
    assert node_hours_seen(Usage(), 60) == 0
