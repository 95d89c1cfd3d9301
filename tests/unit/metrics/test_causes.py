"""Free text becomes one of the catalog's words, whatever it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.metrics import catalog, causes


@pytest.mark.parametrize(
    ("code", "codespace", "text", "cause"),
    [
        (5, "sdk", "spendable balance 3uve is smaller than 9uve: insufficient funds", "insufficient_funds"),
        (9, "sdk", "the chain has no account ve1x", "insufficient_funds"),
        (13, "sdk", "", "insufficient_fee"),
        (1, "undefined", "insufficient fee: min gas prices 0.025uve", "insufficient_fee"),
        (
            32,
            "sdk",
            "account sequence mismatch, expected 4, got 3: incorrect account sequence",
            "sequence_mismatch",
        ),
        (0, "", "account sequence mismatch, expected 4, got 3", "sequence_mismatch"),
        (1, "ratelimit", "rate limit exceeded for account ve1x", "rate_limited"),
        (21, "sdk", "", "other"),
    ],
)
def test_refusals(code: int, codespace: str, text: str, cause: str) -> None:
    """By the code where it has one, else by the chain's words."""
    assert causes.refusal(code, codespace, text) == cause


def test_failures() -> None:
    assert [causes.failure(code) for code in (11, 2107, 4)] == ["out_of_gas", "message", "other"]


@given(st.text(), st.integers(0, 5000))
def test_nothing_leaves_the_lists(text: str, code: int) -> None:
    """No text and no code makes a new label value."""
    assert causes.refusal(code, text, text) in catalog.OUTCOMES["refused"]
    assert causes.failure(code) in catalog.OUTCOMES["failed"]
