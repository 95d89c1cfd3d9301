"""secp256k1 signatures in the SDK's format: 64 bytes r || s, low s, over a SHA-256 digest."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from provider_daemon.chain import bech32

ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
_DETERMINISTIC = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
_CHECK = ec.ECDSA(Prehashed(hashes.SHA256()))


class LocalSigner:
    """A key in this process's memory. It never shows its secret."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: 32 bytes. Raises ValueError, without the bytes, if they are not a secp256k1 key."""
        number = int.from_bytes(secret, "big")
        if len(secret) != 32 or not 0 < number < ORDER:
            raise ValueError("not a secp256k1 private key")
        self._key = ec.derive_private_key(number, ec.SECP256K1())
        self.public_key: bytes = self._key.public_key().public_bytes(
            Encoding.X962, PublicFormat.CompressedPoint
        )
        self.address = bech32.address_of(self.public_key)

    def sign(self, digest: bytes) -> bytes:
        """Returns 64 bytes over a 32-byte digest.

        The same digest always gives the same signature (RFC 6979).
        """
        r, s = decode_dss_signature(self._key.sign(digest, _DETERMINISTIC))
        return r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"


def verify(public_key: bytes, digest: bytes, signature: bytes) -> bool:
    """Verifies as the SDK does: exactly 64 bytes, and never a high s."""
    if len(signature) != 64:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if s > ORDER // 2:
        return False
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), public_key)
        key.verify(encode_dss_signature(r, s), digest, _CHECK)
    except (InvalidSignature, ValueError):
        return False
    return True
