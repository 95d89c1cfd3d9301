"""The chain's envelope for a small document and a single recipient (docs/protocol.md, 'Envelopes').

The chain's form for several recipients is never written and always refused: its data key is public. Each
recipient gets an envelope of its own. Everything is in memory; large data is encrypted with age.
"""

import hashlib
from collections.abc import Callable

import nacl.public
import nacl.utils
from google.protobuf.message import DecodeError
from nacl.exceptions import CryptoError

from provider_daemon.chain import codec
from provider_daemon.chain.proto.virtengine.encryption.v1.types_pb2 import EncryptedPayloadEnvelope
from provider_daemon.encryption.fingerprint import ALGORITHM, PUBLIC_KEY_BYTES, fingerprint, of_key_id
from provider_daemon.encryption.identity import SECRET_BYTES, Identity, Keyring
from provider_daemon.encryption.refusal import NotOpened, OpenRefusal
from provider_daemon.errors import Refused, Unreadable

VERSION = ALGORITHM_VERSION = 1
NONCE_BYTES, TAG_BYTES = 24, 16
MAX_PLAINTEXT = 10 * 1024 * 1024  # bytes, as the chain's data vault
MAX_DOCUMENT = MAX_PLAINTEXT * 4 // 3 + 64 * 1024  # bytes: base64 and the other fields
MODE, MULTI = "_mode", "multi-recipient"

Entropy = Callable[[int], bytes]


# --- write ---


def seal(
    plaintext: bytes, recipient: bytes, entropy: Entropy = nacl.utils.random
) -> EncryptedPayloadEnvelope:
    """Encrypts to a public key of 32 bytes, with a new sender key and nonce.

    Raises ValueError for a plaintext over MAX_PLAINTEXT, and Refused for a key that protects nothing.
    """
    if len(plaintext) > MAX_PLAINTEXT:
        raise ValueError(f"an envelope holds at most {MAX_PLAINTEXT} bytes: use age")
    sender = nacl.public.PrivateKey(entropy(SECRET_BYTES))
    nonce = entropy(NONCE_BYTES)
    envelope = EncryptedPayloadEnvelope(
        version=VERSION,
        algorithm_id=ALGORITHM,
        algorithm_version=ALGORITHM_VERSION,
        recipient_key_ids=[fingerprint(recipient)],
        recipient_public_keys=[recipient],
        nonce=nonce,
        ciphertext=_box(sender, recipient).encrypt(plaintext, nonce).ciphertext,
        sender_pub_key=bytes(sender.public_key),
    )
    envelope.sender_signature = checksum(envelope)
    return envelope


def to_json(envelope: EncryptedPayloadEnvelope) -> bytes:
    """Returns the document: JSON as the chain's Go code writes it."""
    return codec.encode(envelope)


def payload(envelope: EncryptedPayloadEnvelope) -> bytes:
    """Returns the 32 bytes that the checksum covers."""
    digest = hashlib.sha256()
    digest.update(envelope.version.to_bytes(4, "big"))
    digest.update(envelope.algorithm_id.encode())
    digest.update(envelope.algorithm_version.to_bytes(4, "big"))
    digest.update(envelope.ciphertext)
    digest.update(envelope.nonce)
    for key_id in envelope.recipient_key_ids:
        digest.update(key_id.encode())
    return digest.digest()


def checksum(envelope: EncryptedPayloadEnvelope) -> bytes:
    """Returns what the chain calls the sender's signature. Anybody can compute it: it proves nothing."""
    return hashlib.sha256(payload(envelope) + envelope.sender_pub_key).digest()


def envelope_hash(envelope: EncryptedPayloadEnvelope) -> str:
    """Returns the chain's name for the envelope, 64 hex digits."""
    return hashlib.sha256(payload(envelope)).hexdigest()


# --- read ---


def parse(document: bytes) -> EncryptedPayloadEnvelope:
    """Reads the document. Raises NotOpened unless it is a complete envelope for a single recipient."""
    if len(document) > MAX_DOCUMENT:
        raise NotOpened(OpenRefusal.UNSUPPORTED, f"the envelope is larger than {MAX_DOCUMENT} bytes")
    try:
        envelope = codec.decode(EncryptedPayloadEnvelope, document)
    except (Unreadable, DecodeError) as error:
        raise NotOpened(OpenRefusal.NOT_ENCRYPTED, f"the envelope cannot be read: {error}") from error
    _check(envelope)
    return envelope


def open_with(keyring: Keyring, envelope: EncryptedPayloadEnvelope) -> bytes:
    """Returns the plaintext. Raises NotOpened."""
    _check(envelope)
    identity = _addressed(keyring, envelope)
    try:
        box = _box(nacl.public.PrivateKey(identity.secret), envelope.sender_pub_key)
        return box.decrypt(envelope.ciphertext, envelope.nonce)
    except (CryptoError, Refused) as error:
        raise NotOpened(OpenRefusal.DAMAGED, "the envelope was changed after it was encrypted") from error


def _addressed(keyring: Keyring, envelope: EncryptedPayloadEnvelope) -> Identity:
    wanted = of_key_id(envelope.recipient_key_ids[0])
    identity = keyring.with_fingerprint(wanted)
    if identity is None:
        ours = ", ".join(each.fingerprint for each in keyring.identities)
        detail = f"the envelope is encrypted to the key {wanted}; the keys here are {ours}"
        raise NotOpened(OpenRefusal.NOT_A_RECIPIENT, detail)
    return identity


def _check(envelope: EncryptedPayloadEnvelope) -> None:
    if problem := _unsupported(envelope):
        raise NotOpened(OpenRefusal.UNSUPPORTED, problem)
    if problem := _incomplete(envelope):
        raise NotOpened(OpenRefusal.DAMAGED, problem)


def _unsupported(envelope: EncryptedPayloadEnvelope) -> str:
    """Returns why the envelope has a form that is not accepted; "" if it has not."""
    if (envelope.version, envelope.algorithm_version) != (VERSION, ALGORITHM_VERSION):
        return f"unknown version {envelope.version}.{envelope.algorithm_version} of the envelope"
    if envelope.algorithm_id != ALGORITHM:
        return f"unknown algorithm {envelope.algorithm_id[:80]!r}; must be {ALGORITHM}"
    many = envelope.metadata.get(MODE) == MULTI or len(envelope.recipient_key_ids) > 1
    if many or envelope.encrypted_keys or envelope.wrapped_keys:
        return (
            "envelopes for several recipients protect nothing: write an envelope for each recipient, or use "
            "age"
        )
    return ""


def _incomplete(envelope: EncryptedPayloadEnvelope) -> str:
    if len(envelope.nonce) != NONCE_BYTES or len(envelope.sender_pub_key) != PUBLIC_KEY_BYTES:
        return "the envelope's nonce or sender key has the wrong length"
    if len(envelope.ciphertext) < TAG_BYTES or not envelope.sender_signature:
        return "the envelope has no ciphertext or no sender signature"
    try:
        named = [of_key_id(key_id) for key_id in envelope.recipient_key_ids]
        given = [fingerprint(key) for key in envelope.recipient_public_keys]
    except ValueError as error:
        return str(error)
    if not named or given not in ([], named):
        return "the envelope's recipient keys do not match their ids"
    return ""


def _box(secret: nacl.public.PrivateKey, public: bytes) -> nacl.public.Box:
    try:
        return nacl.public.Box(secret, nacl.public.PublicKey(public))
    except CryptoError as error:
        raise Refused(
            f"the public key {public.hex()} is unsafe (of low order): anybody could decrypt the data"
        ) from error
