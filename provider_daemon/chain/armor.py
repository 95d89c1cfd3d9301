"""The SDK's armored private-key export: Argon2id and ChaCha20-Poly1305 inside OpenPGP armor.

See docs/protocol.md, 'Keys at rest'.
"""

import base64
import binascii
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

_KIND = "TENDERMINT PRIVATE KEY"
_AMINO_PREFIX = bytes.fromhex("e1b0f79b20")  # amino's name of a secp256k1 private key, and its length, 32
_NONCE = bytes(12)  # the key is new with every salt, so the SDK's nonce is always zero
_BLOCK = re.compile(
    rf"-----BEGIN {_KIND}-----\n(?P<headers>(?:.+: "
    rf".*\n)*)\n(?P<body>[A-Za-z0-9+/=\n]+?)\n=(?P<crc>\S{{4}})\n-----END {_KIND}-----"
)
_CRC24_START, _CRC24_POLYNOMIAL = 0xB704CE, 0x1864CFB  # RFC 4880, section 6.1


def encrypt(secret: bytes, passphrase: str) -> str:
    salt = os.urandom(16)
    sealed = ChaCha20Poly1305(_key(passphrase, salt)).encrypt(_NONCE, _AMINO_PREFIX + secret, None)
    body = base64.b64encode(sealed).decode()
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    headers = ["kdf: argon2", f"salt: {salt.hex().upper()}", "type: secp256k1"]
    return "\n".join(
        [f"-----BEGIN {_KIND}-----", *headers, "", *lines, f"={_crc24(sealed)}", f"-----END {_KIND}-----", ""]
    )


def decrypt(text: str, passphrase: str) -> bytes:
    """Returns the 32 bytes of the key.

    Raises ValueError if the armor is invalid or damaged, or the passphrase is wrong.
    """
    match = _BLOCK.search(text.replace("\r\n", "\n"))
    if not match:
        raise ValueError(f"not an armored {_KIND.lower()}")
    headers = dict(line.split(": ", 1) for line in match["headers"].splitlines())
    if headers.get("kdf") != "argon2" or headers.get("type", "secp256k1") != "secp256k1":
        raise ValueError(
            "unsupported armor: only secp256k1 keys exported with argon2; export it again with a current SDK"
        )
    return _open(_body(match["body"], match["crc"]), _key(passphrase, _salt(headers.get("salt", ""))))


def _salt(text: str) -> bytes:
    try:
        salt = bytes.fromhex(text)
    except ValueError:
        salt = b""
    if len(salt) < 8:  # Argon2's minimum
        raise ValueError("the armor is damaged: its salt cannot be read")
    return salt


def _body(text: str, crc: str) -> bytes:
    try:
        sealed = base64.b64decode(text.replace("\n", ""), validate=True)
    except binascii.Error:
        raise ValueError("the armor is damaged: its body is not base64") from None
    if _crc24(sealed) != crc:
        raise ValueError("the armor is damaged: its checksum does not match")
    return sealed


def _open(sealed: bytes, key: bytes) -> bytes:
    try:
        plain = ChaCha20Poly1305(key).decrypt(_NONCE, sealed, None)
    except InvalidTag:
        raise ValueError("wrong passphrase") from None
    if not plain.startswith(_AMINO_PREFIX):
        raise ValueError("the armor contains another type of key: provd signs with secp256k1")
    return plain[len(_AMINO_PREFIX) :]


def _key(passphrase: str, salt: bytes) -> bytes:
    return Argon2id(salt=salt, length=32, iterations=1, lanes=4, memory_cost=64 * 1024).derive(
        passphrase.encode()
    )


def _crc24(data: bytes) -> str:
    crc = _CRC24_START
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc = (crc << 1) ^ (_CRC24_POLYNOMIAL if crc & 0x800000 else 0)
            crc &= 0x1FFFFFF
    return base64.b64encode((crc & 0xFFFFFF).to_bytes(3, "big")).decode()
