"""Formats by their first bytes."""

import pyrage
import pytest

from provider_daemon.encryption import envelope, formats
from provider_daemon.encryption.formats import Format
from tests.unit.encryption.vectors import RECIPIENT


def test_both_formats() -> None:
    """age and the envelope are recognized by the first bytes of real data."""
    recipient = pyrage.x25519.Recipient.from_str(RECIPIENT.recipient)
    assert formats.format_of(pyrage.encrypt(b"x", [recipient])[: formats.HEAD_BYTES]) is Format.AGE
    document = envelope.to_json(envelope.seal(b"x", RECIPIENT.public_key))
    assert formats.format_of(document[: formats.HEAD_BYTES]) is Format.ENVELOPE
    assert formats.format_of(b"\r\n " + document) is Format.ENVELOPE


@pytest.mark.parametrize("head", [b"", b"age-encryption.org/v2\n", b"PK\x03\x04", b"[1]"])
def test_anything_else(head: bytes) -> None:
    """It is unknown."""
    assert formats.format_of(head) is Format.UNKNOWN
