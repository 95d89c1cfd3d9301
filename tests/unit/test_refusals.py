"""Why a node refuses a transaction, from the very texts that chains give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.refusals import Refusal, classify, expected_sequence, required_fee

FULL = "mempool is full: number of txs 5000 (max: 5000), total txs bytes 1073741 (max: 1073741824)"
FEES = "insufficient fees; got: 2404uve required: 24040uve: insufficient fee"
GLOBAL = (
    "provided fee < minimum global fee (2404uve < 100000uve). Please increase the gas price.: "
    "insufficient fee"
)
MINIMUM = "insufficient fee: min gas prices 0.25uve, required 30000uve, got 3000uve"
MISMATCH = "account sequence mismatch, expected 99, got 98: incorrect account sequence"


@pytest.mark.parametrize(
    ("code", "codespace", "text", "refusal"),
    [
        (20, "sdk", FULL, Refusal.MEMPOOL_FULL),
        (13, "sdk", FEES, Refusal.FEE),
        (0, "", GLOBAL, Refusal.FEE),
        (1, "undefined", MINIMUM, Refusal.FEE),
        (32, "sdk", MISMATCH, Refusal.SEQUENCE),
        (0, "", MISMATCH, Refusal.SEQUENCE),
        (1, "ratelimit", "too many transactions", Refusal.RATE_LIMIT),
        (19, "sdk", "", Refusal.IN_MEMPOOL),
        (5, "sdk", "spendable balance is smaller", Refusal.FUNDS),
        (30, "sdk", "block height: 9, timeout height: 8: tx timeout height", Refusal.TIMEOUT_HEIGHT),
        (11, "sdk", "out of gas in location: txSize", Refusal.OUT_OF_GAS),
        (5, "hpc", "invalid address", Refusal.OTHER),
        (2107, "hpc", "invalid job state transition", Refusal.OTHER),
    ],
)
def test_each_refusal_is_known(code: int, codespace: str, text: str, refusal: Refusal) -> None:
    """By code where it has one of its own, by text where the chain gives no more."""
    assert classify(code, codespace, text) is refusal


@pytest.mark.parametrize(
    ("text", "fee"),
    [
        (FEES, 24040),
        (GLOBAL, 100_000),
        (MINIMUM, 30_000),
        ("required: 7ufoo,24040uve: insufficient fee", 24040),
        ("required: 7ufoo", None),
    ],
)
def test_the_required_fee(text: str, fee: int | None) -> None:
    """In our denom, among several."""
    assert required_fee(text, "uve") == fee


def test_the_expected_sequence() -> None:
    """None where the chain names none."""
    assert (expected_sequence(MISMATCH), expected_sequence("incorrect account sequence")) == (99, None)


@given(st.text(max_size=300), st.integers(0, 5000), st.text(max_size=10))
def test_no_text_breaks_it(text: str, code: int, codespace: str) -> None:
    """What an endpoint makes up is classified, or names nothing."""
    assert classify(code, codespace, text) in Refusal
    assert (required_fee(f"required: {text}", "uve") or 0) >= 0
    assert (expected_sequence(f"expected {text}") or 0) >= 0
