"""The name that the chain gives a recipient key: its fingerprint, alone or with the key's version.

See docs/protocol.md, 'Recipient keys'.
"""

import hashlib
import re

ALGORITHM = "X25519-XSALSA20-POLY1305"  # the only one that the chain accepts
PUBLIC_KEY_BYTES = 32
DIGEST_BYTES = 20
_KEY_ID = re.compile(r"([0-9a-f]{40})(?::v([1-9][0-9]{0,9}))?", re.ASCII)
_FINGERPRINT = re.compile(r"[0-9a-f]{40}", re.ASCII)


def fingerprint(public_key: bytes) -> str:
    """Returns 40 lower-case hex digits. Raises ValueError for a key that does not have 32 bytes."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"an X25519 public key has {PUBLIC_KEY_BYTES} bytes, not {len(public_key)}")
    return hashlib.sha256(public_key).digest()[:DIGEST_BYTES].hex()


def is_fingerprint(text: str) -> bool:
    return bool(_FINGERPRINT.fullmatch(text))


def of_key_id(text: str) -> str:
    """Returns the fingerprint in a recipient key id, such as `<fingerprint>` or `<fingerprint>:v2`.

    Raises ValueError for any other text.
    """
    found = _KEY_ID.fullmatch(text)
    if found is None:
        raise ValueError(f"invalid recipient key id: {text[:80]!r}")
    return found[1]
