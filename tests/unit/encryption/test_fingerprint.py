"""The chain's names for recipient keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.encryption.fingerprint import fingerprint, is_fingerprint, of_key_id
from tests.unit.encryption.vectors import VECTOR


def test_the_vector() -> None:
    """The first 20 bytes of SHA-256 in lower-case hex."""
    assert fingerprint(bytes.fromhex(VECTOR["recipient_public"])) == VECTOR["fingerprint"]


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length(size: int) -> None:
    """It has no fingerprint."""
    with pytest.raises(ValueError, match=f"not {size}"):
        fingerprint(bytes(size))


def test_a_key_id_may_have_a_version() -> None:
    """With or without, the fingerprint is found."""
    known = VECTOR["fingerprint"]
    assert of_key_id(known) == of_key_id(f"{known}:v12") == known


@pytest.mark.parametrize("suffix", [":v", ":v0", ":2", "0", "\n", ":v1\n", ":v٣"])
def test_other_key_ids(suffix: str) -> None:
    """No other ending is accepted."""
    with pytest.raises(ValueError, match="invalid recipient key id"):
        of_key_id(VECTOR["fingerprint"] + suffix)


@given(st.text())
def test_any_text(text: str) -> None:
    """Text is a fingerprint, a key id, or refused."""
    try:
        assert is_fingerprint(of_key_id(text))
    except ValueError:
        assert not is_fingerprint(text)
