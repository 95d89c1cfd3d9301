"""The clock that the daemon counts with."""

from provider_daemon.clock import SystemClock


def test_a_clock_that_is_set_moves_nothing_until_the_next_start() -> None:
    """Neither forwards nor backwards; a start takes the new time, and can see that the clock was set."""
    wall, steady = [1000.0], [10.0]
    clock = SystemClock(lambda: wall[0], lambda: steady[0])
    steady[0], wall[0] = 15.0, 90_000.0
    assert (clock.now(), clock.booted_at) == (1005.0, 990.0)
    after = SystemClock(lambda: wall[0], lambda: steady[0])
    assert (after.now(), after.booted_at) == (90_000.0, 89_985.0)
