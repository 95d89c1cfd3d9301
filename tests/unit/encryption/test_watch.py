"""The state of the provider's own key."""

from dataclasses import replace

import pytest

from provider_daemon.encryption import identity, recipients, watch
from provider_daemon.encryption.recipients import RecipientKey
from provider_daemon.encryption.watch import OwnKeyStatus
from tests.unit.encryption.vectors import ADDRESS, record

NOW = 1_780_000_000
SOON = int(watch.SOON_SECONDS)
FIRST, SECOND = (identity.Identity(bytes([number]) * 32) for number in (1, 2))
OURS = {FIRST.fingerprint, SECOND.fingerprint}
OLD = recipients.read(record(FIRST.public_key, registered_at=NOW - 1000), ADDRESS)
NEW = recipients.read(record(SECOND.public_key, registered_at=NOW - 500, key_version=2), ADDRESS)
STRANGE = recipients.read(record(identity.Identity(bytes([9]) * 32).public_key, key_version=3), ADDRESS)


@pytest.mark.parametrize(
    ("keys", "status", "about"),
    [
        ([], OwnKeyStatus.MISSING, None),
        ([replace(STRANGE, revoked_at=1)], OwnKeyStatus.MISSING, None),
        ([OLD], OwnKeyStatus.USABLE, OLD),
        ([OLD, NEW], OwnKeyStatus.USABLE, NEW),
        ([replace(OLD, deprecated_at=NEW.registered_at), NEW], OwnKeyStatus.USABLE, NEW),
        ([OLD, replace(NEW, deprecated_at=NOW)], OwnKeyStatus.USABLE, OLD),
        ([replace(OLD, expires_at=NOW + SOON + 1)], OwnKeyStatus.USABLE, None),
        ([replace(OLD, expires_at=NOW + SOON)], OwnKeyStatus.EXPIRES_SOON, None),
        ([replace(OLD, expires_at=NOW)], OwnKeyStatus.EXPIRED, None),
        ([replace(OLD, revoked_at=NOW)], OwnKeyStatus.REVOKED, None),
        ([replace(OLD, algorithm="AGE-X25519")], OwnKeyStatus.UNUSABLE, None),
        ([OLD, STRANGE], OwnKeyStatus.FOREIGN, STRANGE),
        ([replace(OLD, deprecated_at=NOW)], OwnKeyStatus.TAMPERED, None),
        (
            [replace(OLD, deprecated_at=NEW.registered_at), replace(NEW, expires_at=NOW)],
            OwnKeyStatus.EXPIRED,
            None,
        ),
        (
            [replace(NEW, deprecated_at=STRANGE.registered_at), replace(STRANGE, revoked_at=NOW)],
            OwnKeyStatus.DEPRECATED,
            None,
        ),
    ],
)
def test_status(keys: list[RecipientKey], status: OwnKeyStatus, about: RecipientKey | None) -> None:
    """What counts is the key that a customer would choose, whatever the order of the list."""
    for order in (keys, keys[::-1]):
        found = watch.own_key(order, OURS, NOW)
        assert found.status is status
        assert about is None or found.key == about
        assert found.ok is (status in (OwnKeyStatus.USABLE, OwnKeyStatus.EXPIRES_SOON))
        assert (found.key is None) is (status is OwnKeyStatus.MISSING)


def test_who_deprecated_a_key() -> None:
    """A rotation by the owner has registered a newer key in the same block; otherwise it was another
    account."""
    old = replace(OLD, deprecated_at=NEW.registered_at)
    assert not watch.is_tampered(old, [old, NEW])
    assert watch.is_tampered(old, [old])
    assert watch.is_tampered(old, [old, replace(NEW, registered_at=NEW.registered_at + 1)])
    assert not watch.is_tampered(OLD, [OLD])


def test_an_unknown_file() -> None:
    """Everything but a foreign key is noticed without it."""
    assert watch.own_key([OLD, STRANGE], None, NOW).status is OwnKeyStatus.USABLE
    assert watch.own_key([], None, NOW).status is OwnKeyStatus.MISSING
    assert watch.own_key([replace(OLD, deprecated_at=NOW)], None, NOW).status is OwnKeyStatus.TAMPERED
