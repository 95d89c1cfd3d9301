"""The site audit's word in a cluster's description."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain.audit_marker import AuditWord, find, put

WORD = AuditWord("2026-11-30", 24, 1, 1, "ab" * 32)


@pytest.mark.parametrize(
    "description",
    ["", "site-audit=yes", f"(site-audit={WORD})", f"site-audit={WORD}x", f"my-site-audit={WORD}"],
)
def test_no_word(description: str) -> None:
    assert find(description) is None


def test_a_new_result_replaces_the_old_one() -> None:
    """The text around it stays, the gateway's word too."""
    text = put(f"In Basel site-audit={WORD} gateway=https://x", "2027-01-01/26-0-0/" + "cd" * 32)
    assert text == "In Basel gateway=https://x site-audit=2027-01-01/26-0-0/" + "cd" * 32
    assert put(text, "") == "In Basel gateway=https://x"


@pytest.mark.parametrize("value", ["x", "2026-11-30", f"{WORD} more", "2026-11-30/1-0-0/ABC"])
def test_an_invalid_value_is_not_written(value: str) -> None:
    with pytest.raises(ValueError, match="invalid site audit"):
        put("text", value)


@given(st.text())
def test_what_is_put_is_found(description: str) -> None:
    """In any description; and putting it again changes nothing."""
    text = put(description, str(WORD))
    assert find(text) == WORD
    assert put(text, str(WORD)) == text
