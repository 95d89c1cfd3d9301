"""What a customer may send as an encrypted input, and what an account may do to another's key: a row each."""

import json
from collections.abc import AsyncIterator

import pyrage
import pytest

from provider_daemon.encryption import age, envelope, identity, recipients
from provider_daemon.encryption.recipients import NoUsableKey
from provider_daemon.encryption.refusal import NotOpened, OpenRefusal
from provider_daemon.errors import Refused, Unreadable
from tests.unit.encryption.test_age import BLOCK, chunks, joined
from tests.unit.encryption.vectors import ADDRESS, KEYRING, LOW_ORDER, RECIPIENT, record

STRANGER = identity.Identity(bytes([5]) * 32)
AGE: bytes = pyrage.encrypt(bytes(3 * BLOCK), [pyrage.x25519.Recipient.from_str(RECIPIENT.recipient)])
HEAD = AGE.index(b"\n--- ") + 49
ENVELOPE = json.loads(envelope.to_json(envelope.seal(b"secret", RECIPIENT.public_key)))


def blocks(*order: int) -> bytes:
    """The age file with its payload blocks in another order."""
    size, nonce = BLOCK + 16, HEAD + 16
    return AGE[:nonce] + b"".join(AGE[nonce + at * size : nonce + (at + 1) * size] for at in order)


STREAMS = {
    "for another recipient": (
        pyrage.encrypt(b"x", [pyrage.x25519.Recipient.from_str(STRANGER.recipient)]),
        OpenRefusal.NOT_A_RECIPIENT,
    ),
    "with a passphrase": (pyrage.passphrase.encrypt(b"x", "word"), OpenRefusal.NOT_A_RECIPIENT),
    "header only": (AGE[:HEAD], OpenRefusal.DAMAGED),
    "last block missing": (blocks(0, 1), OpenRefusal.DAMAGED),
    "blocks swapped": (blocks(1, 0, 2), OpenRefusal.DAMAGED),
    "block repeated": (blocks(0, 0, 1, 2), OpenRefusal.DAMAGED),
    "bytes after the end": (AGE + b"more", OpenRefusal.DAMAGED),
    "two files in one": (AGE + AGE, OpenRefusal.DAMAGED),
    "header of a later version": (AGE.replace(b"/v1\n", b"/v2\n", 1), OpenRefusal.DAMAGED),
    "endless header": (AGE[:22] + b"-> a " + b"b" * 100_000, OpenRefusal.UNSUPPORTED),
}


@pytest.mark.parametrize("attack", STREAMS)
async def test_streams(attack: str) -> None:
    """Each is refused with its reason."""
    data, reason = STREAMS[attack]
    with pytest.raises(NotOpened) as refused:
        await joined(age.decrypt(chunks(data), KEYRING))
    assert refused.value.reason is reason


DOCUMENTS: dict[str, tuple[dict[str, object], OpenRefusal]] = {
    "for several recipients": ({"metadata": {"_mode": "multi-recipient"}}, OpenRefusal.UNSUPPORTED),
    "with a wrapped key": ({"encrypted_keys": ["AAAA"]}, OpenRefusal.UNSUPPORTED),
    "another algorithm": ({"algorithm_id": "AGE-X25519"}, OpenRefusal.UNSUPPORTED),
    "sender key of low order": ({"sender_pub_key": "A" * 43 + "="}, OpenRefusal.DAMAGED),
    "our id over another key": (
        {"recipient_public_keys": [ENVELOPE["sender_pub_key"]]},
        OpenRefusal.DAMAGED,
    ),
    "short nonce": ({"nonce": "AAAA"}, OpenRefusal.DAMAGED),
    "another nonce": ({"nonce": "A" * 32}, OpenRefusal.DAMAGED),
    "numbers for bytes": ({"ciphertext": [1, 2]}, OpenRefusal.NOT_ENCRYPTED),
    "a version that no field holds": ({"version": 2**40}, OpenRefusal.NOT_ENCRYPTED),
    "for another recipient": (
        {"recipient_key_ids": [STRANGER.fingerprint], "recipient_public_keys": []},
        OpenRefusal.NOT_A_RECIPIENT,
    ),
}


@pytest.mark.parametrize("attack", DOCUMENTS)
def test_documents(attack: str) -> None:
    """Each is refused with its reason."""
    changed, reason = DOCUMENTS[attack]
    with pytest.raises(NotOpened) as refused:
        envelope.open_with(KEYRING, envelope.parse(json.dumps({**ENVELOPE, **changed}).encode()))
    assert refused.value.reason is reason


def test_deep_json() -> None:
    """It ends in a refusal, not in the parser's recursion."""
    with pytest.raises(NotOpened):
        envelope.parse(b'{"a":' * 100_000)


KEYS: dict[str, dict[str, object]] = {
    "deprecated by another account": {"deprecated_at": 1},
    "revoked": {"revoked_at": 1},
    "expired": {"expires_at": 1},
    "of low order": {"public_key": LOW_ORDER},
    "of another algorithm": {"algorithm_id": "X25519-XSalsa20-Poly1305"},
}


@pytest.mark.parametrize("attack", KEYS)
def test_keys(attack: str) -> None:
    """Such a key is not used, and that is an error, never a reason to send unencrypted."""
    key = recipients.read(record(**KEYS[attack]), ADDRESS)  # type: ignore[arg-type]
    with pytest.raises(NoUsableKey):
        recipients.choose([key], 1_780_000_000, ADDRESS)


@pytest.mark.parametrize(
    "forged", [{"key_fingerprint": STRANGER.fingerprint}, {"address": "ve1other"}, {"public_key": b"short"}]
)
def test_forged_records(forged: dict[str, object]) -> None:
    """A record of an endpoint that contradicts itself is unreadable."""
    made = record()
    for field, value in forged.items():
        setattr(made, field, value)
    with pytest.raises(Unreadable):
        recipients.read(made, ADDRESS)


async def test_a_key_of_low_order_from_the_job() -> None:
    """Nothing is encrypted to it, in either format."""

    async def plain() -> AsyncIterator[bytes]:
        yield b"results"

    with pytest.raises(Refused):
        age.encrypt(plain(), [LOW_ORDER])
    with pytest.raises(Refused):
        envelope.seal(b"results", LOW_ORDER)
