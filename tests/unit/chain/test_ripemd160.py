"""RIPEMD-160 of our own: its published test vectors, and addresses where OpenSSL has no such algorithm (FIPS
mode)."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain import bech32, ripemd160

KEY = bytes.fromhex("02") + bytes(range(32))
VECTORS = {
    b"": "9c1185a5c5e9fc54612808977ee8f548b2258d31",
    b"a": "0bdc9d2d256b3ee9daae347be6f4dc835a467ffe",
    b"abc": "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc",
    b"message digest": "5d0689ef49d2fae572b881b123a85ffa21595f36",
    b"abcdefghijklmnopqrstuvwxyz": "f71c27109c692c1b56bbdceb5b9d2865b3708dbc",
    b"1234567890" * 8: "9b752e45573d4b39f4dbd3323cab82bf63326bfb",
}


@pytest.mark.parametrize("data", VECTORS, ids=len)
def test_published_vectors(data: bytes) -> None:
    assert ripemd160.digest(data).hex() == VECTORS[data]


@given(st.binary(max_size=300))
def test_as_openssl(data: bytes) -> None:
    """Of any length, over the ends of blocks, wherever OpenSSL has it."""
    if "ripemd160" in hashlib.algorithms_available:
        assert ripemd160.digest(data) == hashlib.new("ripemd160", data).digest()


def test_an_address_without_openssls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where hashlib refuses the name, the address is the same."""
    usual = bech32.address_of(KEY)

    def refused(name: str, data: bytes = b"") -> None:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", refused)
    assert bech32.address_of(KEY) == usual
