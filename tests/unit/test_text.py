"""Strangers' text on a screen."""

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.text import printable


@given(st.text())
def test_printable_stays_on_its_line(text: str) -> None:
    """No text of a customer starts a line, moves the cursor or turns the writing around; harmless text is shown as it is."""
    shown = printable(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()
