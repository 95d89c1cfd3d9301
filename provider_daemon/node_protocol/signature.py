"""Signatures of node agents: Ed25519 over text that names what is signed, for whom and when. Pure.

The base is docs/agent.md, 'Signatures'. The published agent signs the bytes of its heartbeat alone; that
scheme has no time, nonce or purpose, and is accepted only where the operator allows it.
"""

import base64
import hashlib
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC_KEY_BYTES = 32
NONCE_BYTES = 16
# How old a signed time may be, and how far ahead of the collector's clock (docs/protocol.md, 'Node agents').
OLDEST_SECONDS, AHEAD_SECONDS = 300, 60


class Scheme(StrEnum):
    PROVD = "provd-1"
    PUBLISHED = "published"


class Purpose(StrEnum):
    HEARTBEAT = "heartbeat"
    REGISTRATION = "registration"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a signature binds besides the payload. `timestamp`: seconds since the epoch. `nonce`: base64."""

    node_id: str
    cluster_id: str
    timestamp: int
    nonce: str


def base_text(purpose: Purpose, stamp: Stamp, payload: bytes) -> bytes:
    """Returns the bytes that are signed in the scheme provd-1: one line for each part."""
    digest = hashlib.sha256(payload).hexdigest()
    parts = (
        "provd-agent-1",
        purpose,
        stamp.cluster_id,
        stamp.node_id,
        str(stamp.timestamp),
        stamp.nonce,
        digest,
    )
    if any("\n" in part for part in parts):
        raise ValueError("a part of the signature base has more than one line")
    return "\n".join(parts).encode()


def sign(key: Ed25519PrivateKey, data: bytes) -> str:
    """Returns the signature in base64."""
    return base64.b64encode(key.sign(data)).decode()


def verify(public_key: str, data: bytes, signature: str) -> bool:
    """Reports whether the owner of the key (base64 of 32 bytes) signed exactly `data`."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_public_key(text: str) -> bool:
    """Reports whether the text is base64 of an Ed25519 public key."""
    try:
        raw = base64.b64decode(text, validate=True)
        Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        return False
    return base64.b64encode(raw).decode() == text


def is_in_time(timestamp: int, now: float) -> bool:
    return now - OLDEST_SECONDS <= timestamp <= now + AHEAD_SECONDS
