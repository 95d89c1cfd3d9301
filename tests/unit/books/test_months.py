"""Months in UTC."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.books.loop import due
from provider_daemon.books.months import bounds, month_of, months


@given(st.floats(0, 4e10))
def test_every_moment_is_in_its_month(at: float) -> None:
    """And in no other: the end of a month is the start of the next."""
    start, end = bounds(month_of(at))
    assert start <= at < end
    assert month_of(end) != month_of(at)


def test_list_of_months() -> None:
    """From the first to the last, over the turn of a year."""
    assert months(bounds("2026-11")[0], bounds("2027-01")[0]) == ["2026-11", "2026-12", "2027-01"]


@pytest.mark.parametrize("text", ["2026-13", "2026", "2026-1", "november", "0000-01", "2026-11-01"])
def test_what_is_no_month(text: str) -> None:
    """It is refused with the form that is expected."""
    with pytest.raises(ValueError, match="such as 2026-11"):
        bounds(text)


def test_when_a_note_is_due() -> None:
    """Every ten minutes, at the turn of a month, and after the clock was set back."""
    turn = bounds("2026-11")[0]
    assert not due(turn, turn + 599)
    assert due(turn, turn + 600)
    assert due(turn - 5, turn)
    assert due(turn + 5, turn)
