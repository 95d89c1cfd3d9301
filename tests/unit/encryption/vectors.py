"""The vectors of docs/protocol.md, 'Envelopes'."""

import json
from pathlib import Path

from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import RecipientKeyRecord
from provider_daemon.encryption.fingerprint import ALGORITHM, fingerprint
from provider_daemon.encryption.identity import Identity, Keyring

FIXTURE = Path(__file__).parents[2] / "fixtures" / "encryption" / "envelope.json"
VECTOR: dict[str, str] = json.loads(FIXTURE.read_text())

SENDER = Identity(bytes.fromhex(VECTOR["sender_private"]))
RECIPIENT = Identity(bytes.fromhex(VECTOR["recipient_private"]))
NONCE = bytes.fromhex(VECTOR["nonce"])
KEYRING = Keyring((RECIPIENT,))
LOW_ORDER = bytes(32)  # the agreement with it is all zeros
ADDRESS = "ve1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzkf3z7"


def entropy(size: int) -> bytes:
    """The vector's sender key and nonce, by their size."""
    return SENDER.secret if size == 32 else NONCE


def record(public_key: bytes = RECIPIENT.public_key, **values: object) -> RecipientKeyRecord:
    """A key record of the chain."""
    fields: dict[str, object] = {
        "address": ADDRESS,
        "public_key": public_key,
        "key_fingerprint": fingerprint(public_key),
        "key_version": 1,
        "algorithm_id": ALGORITHM,
        "registered_at": 1_770_000_000,
    }
    return RecipientKeyRecord(**{**fields, **values})  # type: ignore[arg-type]
