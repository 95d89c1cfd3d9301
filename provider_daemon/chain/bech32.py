"""Account addresses: bech32 with prefix `ve` over RIPEMD-160(SHA-256(public key)).

See docs/protocol.md, 'Accounts and addresses'.
"""

import hashlib

import bech32 as _bech32

from provider_daemon.chain import ripemd160

PREFIX = "ve"


def encode(payload: bytes, prefix: str = PREFIX) -> str:
    words = _bech32.convertbits(payload, 8, 5)
    if words is None:
        raise ValueError("bytes cannot be written as bech32")
    return str(_bech32.bech32_encode(prefix, words))


def decode(address: str, prefix: str = PREFIX) -> bytes:
    """Returns the bytes of an address.

    Raises ValueError for a wrong prefix, a typing error, or mixed case.
    """
    found, words = _bech32.bech32_decode(address)
    payload = _bech32.convertbits(words, 5, 8, False) if words is not None else None
    if found != prefix or payload is None:
        raise ValueError(f"invalid address: {address!r} (must be {prefix}1...)")
    return bytes(payload)


def address_of(public_key: bytes, prefix: str = PREFIX) -> str:
    """Returns the address of a compressed secp256k1 public key (33 bytes)."""
    if len(public_key) != 33:
        raise ValueError("a compressed public key has 33 bytes")
    return encode(_ripemd160(hashlib.sha256(public_key).digest()), prefix)


def _ripemd160(data: bytes) -> bytes:
    try:
        return hashlib.new("ripemd160", data).digest()
    except ValueError:  # this OpenSSL has no RIPEMD-160
        return ripemd160.digest(data)
