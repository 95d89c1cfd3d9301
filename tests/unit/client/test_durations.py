"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.client import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(90, 90), ("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), ("1d1h1m1s", 90_061)],
)
def test_seconds(text: object, seconds: int) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("value", ["", "m", "1w", "-1", "1m1h", "1.5h", True, None, 1.5, "\uff11m"])
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="must be seconds, or a duration"):
        durations.seconds(value)


@given(st.integers(1, 10**8))
def test_round_trip(value: int) -> None:
    assert durations.seconds(durations.text(value)) == value
