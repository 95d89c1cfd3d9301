"""Mnemonic -> private key: BIP-39, then BIP-32 along BIP-44's path for coin type 118."""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from mnemonic import Mnemonic

from provider_daemon.chain.sign import ORDER

HARDENED = 1 << 31
LENGTHS = (12, 15, 18, 21, 24)
PATH = (44 | HARDENED, 118 | HARDENED, HARDENED, 0, 0)  # m/44'/118'/0'/0/0


def secret_of(words: str) -> bytes:
    """Returns the 32 bytes of the key. Blanks, line breaks and capitals do not matter.

    Raises ValueError, which contains only the positions of unknown words.
    """
    found = words.lower().split()
    known, text = Mnemonic("english"), " ".join(found)
    if unknown := [place for place, word in enumerate(found, 1) if word not in known.wordlist]:
        places = ", ".join(map(str, unknown[:5])) + (" and more" if len(unknown) > 5 else "")
        raise ValueError(
            f"invalid mnemonic: word {places} of {len(found)} is not in BIP-39's English word list"
        )
    if len(found) not in LENGTHS:
        raise ValueError(f"invalid mnemonic: {len(found)} words; must be 12, 15, 18, 21 or 24")
    if not known.check(text):
        raise ValueError("invalid mnemonic: checksum mismatch; a word is wrong or misplaced")
    return _derive(Mnemonic.to_seed(text))


def _derive(seed: bytes) -> bytes:
    digest = hmac.digest(b"Bitcoin seed", seed, hashlib.sha512)
    secret, chain = digest[:32], digest[32:]
    for index in PATH:
        parent = b"\0" + secret if index & HARDENED else _public(secret)
        digest = hmac.digest(chain, parent + index.to_bytes(4, "big"), hashlib.sha512)
        secret = ((int.from_bytes(digest[:32], "big") + int.from_bytes(secret, "big")) % ORDER).to_bytes(
            32, "big"
        )
        chain = digest[32:]
    return secret


def _public(secret: bytes) -> bytes:
    key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256K1())
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
