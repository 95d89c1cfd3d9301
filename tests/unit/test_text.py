"""Strangers' text: on a screen, and cut by the bytes that it takes in the chain's store."""

from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain.codec import dumps
from provider_daemon.text import cut, printable, printable_lines


@given(st.text())
def test_printable_stays_on_its_line(text: str) -> None:
    """No text of a customer starts a line, moves the cursor or turns the writing around; harmless text is
    shown as it is."""
    shown = printable(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()


def test_lines_stay_lines() -> None:
    """A script is shown with its lines and tabs, and with nothing else that a terminal would act on."""
    assert printable_lines("a\tb\n\x1b[2J\u202ec\r\n") == "a\tb\n\\x1b[2J\\u202ec\\r\n"


def stored(text: str) -> int:
    return len(dumps({"": text})) - len(dumps({"": ""}))


@given(st.text(), st.integers(3, 100))
def test_never_longer_than_asked(text: str, most: int) -> None:
    """As the store writes it: `<` takes six bytes."""
    assert stored(cut(text, most)) <= most


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))))
def test_what_fits_is_left_alone(text: str) -> None:
    assert cut(text, stored(text) + 3) == text


def test_a_mark_shows_that_something_is_left_out() -> None:
    assert cut("<" * 1000, 30) == "<<<<…"
