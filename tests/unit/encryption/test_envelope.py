"""The chain's envelope: byte for byte, and what is refused."""

import base64
import json

import nacl.secret
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain import codec
from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import (
    EncryptedPayloadEnvelope,
    WrappedKeyEntry,
)
from provider_daemon.encryption import envelope, identity
from provider_daemon.encryption.refusal import NotOpened, OpenRefusal
from provider_daemon.errors import Refused
from tests.unit.encryption.vectors import KEYRING, LOW_ORDER, RECIPIENT, VECTOR, entropy

TEXT = VECTOR["text"].encode()


def sealed() -> EncryptedPayloadEnvelope:
    return envelope.seal(TEXT, RECIPIENT.public_key, entropy)


def reason_of(changed: EncryptedPayloadEnvelope) -> OpenRefusal:
    with pytest.raises(NotOpened) as refused:
        envelope.open_with(KEYRING, envelope.parse(envelope.to_json(changed)))
    return refused.value.reason


def test_the_vector() -> None:
    """Ciphertext, payload, checksum and hash are those of the vector."""
    made = sealed()
    assert made.ciphertext.hex() == VECTOR["ciphertext"]
    assert envelope.payload(made).hex() == VECTOR["payload"]
    assert made.sender_signature.hex() == VECTOR["signature"]
    assert envelope.envelope_hash(made) == VECTOR["hash"]
    assert list(made.recipient_key_ids) == [VECTOR["fingerprint"]]


def test_the_document() -> None:
    """The chain's field names in its order, bytes in base64, and no empty optional fields."""
    document = json.loads(envelope.to_json(sealed()))
    assert list(document) == [
        "version",
        "algorithm_id",
        "algorithm_version",
        "recipient_key_ids",
        "recipient_public_keys",
        "nonce",
        "ciphertext",
        "sender_signature",
        "sender_pub_key",
    ]
    assert base64.b64decode(document["nonce"]).hex() == VECTOR["nonce"]
    assert document["algorithm_id"] == "X25519-XSALSA20-POLY1305"


def test_the_vector_is_opened() -> None:
    """Also with a versioned key id, and without the optional public key."""
    made = sealed()
    assert envelope.open_with(KEYRING, envelope.parse(envelope.to_json(made))) == TEXT
    made.recipient_key_ids[0] += ":v3"
    made.ClearField("recipient_public_keys")
    assert envelope.open_with(KEYRING, made) == TEXT


def test_an_older_key_of_the_file_opens_it() -> None:
    """After a rotation, data that was encrypted to the old key can still be read."""
    keyring = identity.Keyring((identity.generate(), RECIPIENT))
    assert envelope.open_with(keyring, sealed()) == TEXT


@given(st.binary(max_size=2000))
def test_any_plaintext(plaintext: bytes) -> None:
    """Each envelope has its own sender key and nonce, and opens to what was sealed."""
    one, other = (envelope.seal(plaintext, RECIPIENT.public_key) for _ in range(2))
    assert one.sender_pub_key != other.sender_pub_key
    assert one.nonce != other.nonce
    assert envelope.open_with(KEYRING, one) == plaintext


def test_another_recipient() -> None:
    """The refusal names the wanted key and ours."""
    made = envelope.seal(TEXT, identity.generate().public_key)
    with pytest.raises(NotOpened, match=f"{made.recipient_key_ids[0]}.*{VECTOR['fingerprint']}") as refused:
        envelope.open_with(KEYRING, made)
    assert refused.value.reason is OpenRefusal.NOT_A_RECIPIENT


def test_the_form_for_several_recipients() -> None:
    """It is refused in each of its marks, although the data key is known."""
    public_key = bytes.fromhex(VECTOR["public_data_key"])
    nonce = bytes.fromhex(VECTOR["nonce"])
    assert (
        nacl.secret.SecretBox(public_key).encrypt(TEXT, nonce).ciphertext.hex()
        == VECTOR["public_data_key_ciphertext"]
    )
    wrapped = WrappedKeyEntry(recipient_id=VECTOR["fingerprint"], wrapped_key=bytes(72))
    for mark in (
        {"metadata": {"_mode": "multi-recipient"}},
        {"encrypted_keys": [bytes(72)]},
        {"wrapped_keys": [wrapped]},
        {"recipient_key_ids": [VECTOR["fingerprint"]]},
    ):
        made = sealed()
        made.MergeFrom(EncryptedPayloadEnvelope(**mark))
        assert reason_of(made) is OpenRefusal.UNSUPPORTED


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("version", 2, OpenRefusal.UNSUPPORTED),
        ("algorithm_version", 0, OpenRefusal.UNSUPPORTED),
        ("algorithm_id", "AGE-X25519", OpenRefusal.UNSUPPORTED),
        ("algorithm_id", "X25519-XSalsa20-Poly1305", OpenRefusal.UNSUPPORTED),
        ("nonce", bytes(23), OpenRefusal.DAMAGED),
        ("nonce", bytes(24), OpenRefusal.DAMAGED),
        ("sender_pub_key", bytes(31), OpenRefusal.DAMAGED),
        ("sender_pub_key", LOW_ORDER, OpenRefusal.DAMAGED),
        ("sender_signature", b"", OpenRefusal.DAMAGED),
        ("ciphertext", bytes(15), OpenRefusal.DAMAGED),
        ("ciphertext", bytes(40), OpenRefusal.DAMAGED),
    ],
)
def test_a_changed_field(field: str, value: object, reason: OpenRefusal) -> None:
    """It is refused with the reason."""
    made = sealed()
    setattr(made, field, value)
    assert reason_of(made) is reason


def test_recipient_keys_that_do_not_match() -> None:
    """A key under another's id, a missing id, and an id that is not one are refused."""
    for ids, keys in (
        ([VECTOR["fingerprint"]], [identity.generate().public_key]),
        ([VECTOR["fingerprint"]], [bytes(5)]),
        ([], [RECIPIENT.public_key]),
        ([], []),
        (["me"], []),
    ):
        made = sealed()
        made.ClearField("recipient_key_ids")
        made.ClearField("recipient_public_keys")
        made.recipient_key_ids.extend(ids)
        made.recipient_public_keys.extend(keys)
        assert reason_of(made) is OpenRefusal.DAMAGED


def test_limits() -> None:
    """Too much for one envelope is refused at both ends, as is a key that protects nothing."""
    with pytest.raises(ValueError, match="use age"):
        envelope.seal(bytes(envelope.MAX_PLAINTEXT + 1), RECIPIENT.public_key)
    with pytest.raises(NotOpened, match="larger"):
        envelope.parse(bytes(envelope.MAX_DOCUMENT + 1))
    with pytest.raises(Refused, match="low order"):
        envelope.seal(TEXT, LOW_ORDER)
    with pytest.raises(ValueError, match="32 bytes"):
        envelope.seal(TEXT, b"short")


def test_the_largest_plaintext_fits_into_a_document() -> None:
    """What can be sealed can be parsed."""
    made = envelope.seal(bytes(envelope.MAX_PLAINTEXT), RECIPIENT.public_key)
    assert len(envelope.to_json(made)) <= envelope.MAX_DOCUMENT


@given(
    st.one_of(
        st.binary(),
        st.recursive(st.none() | st.text() | st.integers(), st.lists).map(
            lambda value: json.dumps(
                {"nonce": value, "recipient_key_ids": value, "wrapped_keys": value}
            ).encode()
        ),
    )
)
def test_any_document(document: bytes) -> None:
    """It is refused, never a crash."""
    with pytest.raises(NotOpened):
        envelope.parse(document)


def test_base64_is_strict() -> None:
    """Characters outside the alphabet are not skipped."""
    document = json.loads(envelope.to_json(sealed()))
    document["nonce"] = document["nonce"][:8] + "\n" + document["nonce"][8:]
    with pytest.raises(NotOpened, match="nonce"):
        envelope.parse(codec.dumps(document))
