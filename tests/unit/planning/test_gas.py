"""What a day's transactions cost."""

import pytest

from provider_daemon.planning.gas import NODE_GAS, TX_GAS, daily_fees, fee, idle_gas


def test_idle_gas() -> None:
    """Each cluster has its own transactions; one without nodes sends none."""
    two = 960 * (TX_GAS + 2 * NODE_GAS)
    assert idle_gas([(2, 30.0)]) == two
    assert idle_gas([(2, 30.0), (0, 30.0), (2, 30.0)]) == 2 * two
    assert fee(1_000_000, 0.025) == pytest.approx(30_000)


@pytest.mark.parametrize(
    ("paid", "seconds", "least", "daily"),
    [
        (10, 60, 0, 10),
        (10, 3600, 0, 240),
        (10, 86_400, 0, 10),
        (10, 60, 500, 500),
        (0, 0, 0, 0),
    ],
)
def test_daily_fees(paid: float, seconds: float, least: float, daily: float) -> None:
    """The first hour has no rate; the heartbeats are paid for in any case."""
    assert daily_fees(paid, seconds, least) == pytest.approx(daily)
