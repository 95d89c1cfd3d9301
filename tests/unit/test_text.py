"""Strangers' text on a screen."""

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.text import printable, printable_lines


@given(st.text())
def test_printable_stays_on_its_line(text: str) -> None:
    """No text of a customer starts a line, moves the cursor or turns the writing around; harmless text is shown as it is."""
    shown = printable(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()


def test_lines_stay_lines() -> None:
    """A script is shown with its lines and tabs, and with nothing else that a terminal would act on."""
    assert printable_lines("a\tb\n\x1b[2J\u202ec\r\n") == "a\tb\n\\x1b[2J\\u202ec\\r\n"
