"""18-digit fixed point."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.money.fixed import ONE, cost, parse, ratio, share, text, whole

amounts = st.integers(min_value=0, max_value=10**15)


def test_everything_truncates() -> None:
    """A third is 18 threes; what is under a uvirt is nothing."""
    assert ratio(1, 3) == 333_333_333_333_333_333
    assert cost(ratio(1, 3), 10 * ONE) == 3
    assert cost(ONE - 1, ONE) == 0
    assert cost(ONE - 1, ONE, 2 * ONE) == 1
    assert (share(10_001, 250), share(10_001, 9_750)) == (250, 9_750)
    assert (whole(2 * ONE - 1), whole(2 * ONE)) == (1, 2)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0", 0),
        (1, ONE),
        ("1.5", 3 * ONE // 2),
        (0.25, ONE // 4),
        ("0.000000000000000001", 1),
        ("1e3", 1000 * ONE),
    ],
)
def test_parse(written: object, value: int) -> None:
    """Numbers and their texts, as JSON, YAML and a gateway write them."""
    assert parse(written) == value


@pytest.mark.parametrize(
    "written",
    [
        "-1",
        "0.0000000000000000001",
        "1.0000000000000000001",
        "inf",
        "nan",
        "",
        "one",
        None,
        [],
        "-0.5",
        "-0.000000000000000001",
    ],
)
def test_parse_refuses(written: object) -> None:
    """What is negative, finer than 10^-18, or no number."""
    with pytest.raises(ValueError, match=r"is no decimal number from 0 on with at most 18 places") as caught:
        parse(written)
    assert repr(written) in str(caught.value)


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (1, "0.000000000000000001"), (ONE, "1"), (10 * ONE, "10"), (3 * ONE // 2, "1.5")],
)
def test_text(value: int, written: str) -> None:
    """No zeros behind, and no point without digits."""
    assert text(value) == written


@given(st.integers(min_value=0, max_value=10**24))
def test_text_reads_back(value: int) -> None:
    assert parse(text(value)) == value


@given(amounts, amounts)
def test_a_cost_is_never_more_than_exact(seconds: int, rate: int) -> None:
    """Never more than the exact product, and less by under two uvirt: one for the cost, one for the quantity,
    at any rate up to 10^15."""
    charged = cost(ratio(seconds, 3600), rate * ONE)
    assert charged * 3600 <= seconds * rate < (charged + 2) * 3600
