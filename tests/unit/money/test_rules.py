"""What stands in the rules by default, and the queue-time credit."""

import pytest

from provider_daemon.money.rules import DEFAULT, QueueCredit, Rules


def test_defaults() -> None:
    """As the module's test report has them: nothing off, a minute's steps, 2.5% and 97.5%."""
    assert (DEFAULT.discounts, DEFAULT.caps, DEFAULT.queue_credit.basis_points(10**9)) == ((), (), 0)
    assert (DEFAULT.granularity_seconds, DEFAULT.minimum_charge) == (60, 10_000)
    assert (DEFAULT.platform_fee_bps, DEFAULT.provider_reward_bps, DEFAULT.node_reward_bps) == (250, 9_750, 0)


@pytest.mark.parametrize(
    ("waited", "basis_points"),
    [(0, 0), (3_659, 0), (3_660, 10), (3_719, 10), (3_720, 20), (33_600, 5_000), (10**9, 5_000)],
)
def test_queue_credit(waited: int, basis_points: int) -> None:
    """0.1% for each whole minute beyond an hour, half at most."""
    assert QueueCredit(basis_points_a_minute=10).basis_points(waited) == basis_points


@pytest.mark.parametrize("shares", [(250, 9_750, 1), (10_000, 0, 1), (0, 10_000, 1)])
def test_shares_over_a_whole(shares: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="are more than 10000 basis points together"):
        Rules(platform_fee_bps=shares[0], provider_reward_bps=shares[1], node_reward_bps=shares[2])


def test_the_older_split() -> None:
    """5%, 80%, 15%: the parameters of the published source are a whole."""
    assert (
        Rules(platform_fee_bps=500, provider_reward_bps=8_000, node_reward_bps=1_500).node_reward_bps == 1_500
    )
