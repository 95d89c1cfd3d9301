"""Mnemonic -> private key: BIP-39, then BIP-32 along BIP-44's path for coin type 118."""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from mnemonic import Mnemonic

from provider_daemon.chain.sign import ORDER

HARDENED = 1 << 31
PATH = (44 | HARDENED, 118 | HARDENED, HARDENED, 0, 0)  # m/44'/118'/0'/0/0


def secret_of(words: str) -> bytes:
    """32 bytes; raises ValueError, without the words, when their checksum is wrong."""
    text = " ".join(words.split())
    if not Mnemonic("english").check(text):
        raise ValueError("the mnemonic is wrong: a word is misspelt, missing or out of place")
    return _derive(Mnemonic.to_seed(text))


def _derive(seed: bytes) -> bytes:
    digest = hmac.digest(b"Bitcoin seed", seed, hashlib.sha512)
    secret, chain = digest[:32], digest[32:]
    for index in PATH:
        parent = b"\0" + secret if index & HARDENED else _public(secret)
        digest = hmac.digest(chain, parent + index.to_bytes(4, "big"), hashlib.sha512)
        secret = ((int.from_bytes(digest[:32], "big") + int.from_bytes(secret, "big")) % ORDER).to_bytes(32, "big")
        chain = digest[32:]
    return secret


def _public(secret: bytes) -> bytes:
    key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256K1())
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
