"""Which of an account's keys may be used."""

import pytest

from provider_daemon.encryption import identity, recipients
from provider_daemon.encryption.recipients import KeyProblem, NoKey, NoUsableKey
from provider_daemon.errors import Unreadable
from tests.unit.encryption.vectors import ADDRESS, LOW_ORDER, RECIPIENT, VECTOR, record

NOW = 1_780_000_000.0


def key(**values: object) -> recipients.RecipientKey:
    return recipients.read(record(**values), ADDRESS)  # type: ignore[arg-type]


def newer(**values: object) -> recipients.RecipientKey:
    return key(public_key=identity.generate().public_key, key_version=2, **values)


def test_a_record() -> None:
    """Every field is kept, and the key is also an age recipient."""
    found = key(label="mine", expires_at=5, revoked_at=3, deprecated_at=4, purge_at=6)
    assert (found.fingerprint, found.recipient) == (VECTOR["fingerprint"], RECIPIENT.recipient)
    assert (found.revoked_at, found.deprecated_at, found.expires_at, found.purge_at) == (3, 4, 5, 6)
    assert (found.label, found.version, found.registered_at) == ("mine", 1, 1_770_000_000)


@pytest.mark.parametrize(
    "changed",
    [
        {"address": "ve1other"},
        {"key_fingerprint": "0" * 40},
        {"key_fingerprint": VECTOR["fingerprint"].upper()},
        {"key_fingerprint": ""},
    ],
)
def test_a_record_that_contradicts_itself(changed: dict[str, str]) -> None:
    """A lying endpoint cannot substitute a key: the record is unreadable."""
    with pytest.raises(Unreadable):
        key(**changed)


def test_a_key_of_another_length() -> None:
    """The record is unreadable, and so is the whole list: one bad record is not dropped."""
    bad = record()
    bad.public_key = bytes(31)
    with pytest.raises(Unreadable, match="31 bytes"):
        recipients.read_all([record(), bad], ADDRESS)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, None),
        ({"expires_at": int(NOW) + 1}, None),
        ({"revoked_at": 1}, KeyProblem.REVOKED),
        ({"deprecated_at": 1}, KeyProblem.DEPRECATED),
        ({"expires_at": int(NOW)}, KeyProblem.EXPIRED),
        ({"algorithm_id": "AGE-X25519"}, KeyProblem.ALGORITHM),
        ({"public_key": LOW_ORDER}, KeyProblem.WEAK),
    ],
)
def test_problems(changed: dict[str, object], expected: KeyProblem | None) -> None:
    """Each makes a key unusable; a key expires at its time, not after."""
    assert recipients.problem(key(**changed), NOW) == expected


def test_the_newest_usable_key_is_chosen() -> None:
    """By version, whatever the order; an unusable newer key is passed over."""
    old, new = key(), newer()
    assert recipients.choose([old, new], NOW, ADDRESS) == new
    assert recipients.choose([new, old], NOW, ADDRESS) == new
    assert recipients.choose([old, newer(deprecated_at=9)], NOW, ADDRESS) == old
    assert [each.version for each in recipients.read_all([record(), record(key_version=2)], ADDRESS)] == [
        2,
        1,
    ]


def test_no_key_and_no_usable_key_differ() -> None:
    """Someone who deprecates all keys of an account must not make its data go out unencrypted."""
    with pytest.raises(NoKey, match=ADDRESS):
        recipients.choose([], NOW, ADDRESS)
    with pytest.raises(NoUsableKey, match=f"{VECTOR['fingerprint']} revoked") as refused:
        recipients.choose([key(revoked_at=1), newer(deprecated_at=1)], NOW, ADDRESS)
    assert "deprecated" in str(refused.value)
