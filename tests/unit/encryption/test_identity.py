"""Recipient keys in age's form."""

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.encryption import identity
from tests.unit.encryption.vectors import RECIPIENT, SENDER, VECTOR


def test_the_vectors() -> None:
    """The public keys follow from the secrets."""
    assert RECIPIENT.public_key.hex() == VECTOR["recipient_public"]
    assert SENDER.public_key.hex() == VECTOR["sender_public"]
    assert RECIPIENT.fingerprint == VECTOR["fingerprint"]


@given(st.binary(min_size=32, max_size=32))
def test_age_reads_the_same_key(secret: bytes) -> None:
    """age's own library reads the written secret, and its public key is the written recipient."""
    key = identity.Identity(secret)
    assert str(pyrage.x25519.Identity.from_str(key.secret_text).to_public()) == key.recipient
    assert identity.public_key_of(key.recipient) == key.public_key


def test_a_file_of_age() -> None:
    """Comments and blank lines are ignored, all identities are read, and the first is the current one."""
    first, second = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    text = f"# created: 2026-01-01\n# public key: {first.to_public()}\n{first}\n\n{second}\r\n"
    keyring = identity.parse(text)
    assert [each.recipient for each in keyring.identities] == [
        str(first.to_public()),
        str(second.to_public()),
    ]
    assert keyring.current is keyring.identities[0]
    assert keyring.with_fingerprint(keyring.identities[1].fingerprint) is keyring.identities[1]
    assert keyring.with_fingerprint(VECTOR["fingerprint"]) is None


def test_a_written_file_is_read_again() -> None:
    """In the same order."""
    keys = (identity.generate(), RECIPIENT)
    assert identity.parse(identity.render(keys)).identities == keys


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "AGE-SECRET-KEY-1" + "Q" * 58,
        RECIPIENT.secret_text[:-1],
        RECIPIENT.secret_text.lower(),
        RECIPIENT.secret_text + " x",
        RECIPIENT.recipient,
    ],
)
def test_what_is_not_an_identity(text: str) -> None:
    """It is refused, and the refusal does not contain it."""
    with pytest.raises(ValueError, match="age identity") as refused:
        identity.parse(text)
    assert not text or text not in str(refused.value)


def test_a_damaged_secret_is_not_quoted() -> None:
    """Not even in part: 10 characters of it are nowhere in the error or its causes."""
    damaged = RECIPIENT.secret_text[:-6] + "QQQQQQ"
    with pytest.raises(ValueError, match="mistyped or damaged") as refused:
        identity.parse(damaged)
    assert damaged[20:30] not in repr(refused.value)
    assert refused.value.__suppress_context__


def test_the_secret_is_in_no_repr() -> None:
    """Neither its bytes nor its text."""
    shown = repr(identity.Keyring((RECIPIENT,)))
    assert "secret" not in shown.lower()
    assert str(RECIPIENT.secret) not in shown


@pytest.mark.parametrize("text", ["", "age1", "ve1qqqq", RECIPIENT.recipient[:-1], RECIPIENT.secret_text])
def test_what_is_not_a_recipient(text: str) -> None:
    """It is refused."""
    with pytest.raises(ValueError, match="invalid age recipient"):
        identity.public_key_of(text)
