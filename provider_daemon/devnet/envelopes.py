"""What the encryption module checks in an envelope (docs/protocol.md, 'Envelopes')."""

from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import EncryptedPayloadEnvelope
from provider_daemon.devnet import failures
from provider_daemon.devnet.failures import encryption
from provider_daemon.devnet.recipient_keys import PARAMS
from provider_daemon.encryption.envelope import NONCE_BYTES, VERSION
from provider_daemon.encryption.fingerprint import PUBLIC_KEY_BYTES, fingerprint


def check(envelope: EncryptedPayloadEnvelope) -> None:
    """Raises ChainError for an envelope that the module refuses. The signature only has to be there."""
    if envelope.version != VERSION:
        raise encryption(failures.UNSUPPORTED_VERSION, f"version {envelope.version}")
    if envelope.algorithm_id not in PARAMS.allowed_algorithms:
        raise encryption(failures.UNSUPPORTED_ALGORITHM, envelope.algorithm_id)
    if len(envelope.recipient_key_ids) > PARAMS.max_recipients_per_envelope:
        raise encryption(failures.TOO_MANY_RECIPIENTS, f"{len(envelope.recipient_key_ids)} recipients")
    if not envelope.sender_signature:
        raise encryption(failures.INVALID_SIGNATURE, "signature required")
    if problem := _problem(envelope):
        raise encryption(failures.INVALID_ENVELOPE, problem)


def _problem(envelope: EncryptedPayloadEnvelope) -> str:
    ids, keys = list(envelope.recipient_key_ids), list(envelope.recipient_public_keys)
    wrapped = [entry.recipient_id for entry in envelope.wrapped_keys]
    if not ids:
        return "at least one recipient required"
    if not envelope.ciphertext or len(envelope.nonce) != NONCE_BYTES:
        return "ciphertext and a nonce of 24 bytes required"
    if len(envelope.sender_pub_key) != PUBLIC_KEY_BYTES:
        return "sender public key must have 32 bytes"
    if keys and (any(len(key) != PUBLIC_KEY_BYTES for key in keys) or len(keys) != len(ids)):
        return "recipient public keys do not match the ids"
    if any(key_id.partition(":")[0] != fingerprint(key) for key_id, key in zip(ids, keys, strict=False)):
        return "recipient public keys do not match the ids"
    return "" if len(set(wrapped)) == len(wrapped) and set(wrapped) <= set(ids) else "invalid wrapped keys"
