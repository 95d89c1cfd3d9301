"""Addresses, derivation and signatures against what other implementations make."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain import bech32, hd
from provider_daemon.chain.sign import ORDER, LocalSigner, verify
from tests.unit.chain.vectors import ADDRESS, COSMOS_ADDRESS, GO_SIGNATURES, MNEMONIC, SECRET

SIGNER = LocalSigner(SECRET)
digests = st.binary(min_size=32, max_size=32)


def test_known_derivation() -> None:
    """The public test phrase gives the address that every Cosmos wallet shows for it."""
    signer = LocalSigner(hd.secret_of(MNEMONIC))
    assert bech32.address_of(signer.public_key, "cosmos") == COSMOS_ADDRESS
    assert signer.address == ADDRESS
    assert hd.secret_of(MNEMONIC) == SECRET


def test_spaces_of_a_mnemonic() -> None:
    """Line ends and double spaces between the words do not matter."""
    assert hd.secret_of(f"\n {MNEMONIC.replace(' ', '  ')}\n") == SECRET


def test_wrong_mnemonic() -> None:
    """A checksum that does not fit is refused, and the words stay out of the text."""
    with pytest.raises(ValueError, match="invalid mnemonic") as caught:
        hd.secret_of("abandon " * 12)
    assert "abandon" not in str(caught.value)


@pytest.mark.parametrize(("text", "expected"), GO_SIGNATURES.items())
def test_signatures_as_go_makes_them(text: str, expected: str) -> None:
    """Byte for byte the signature of the SDK's own library."""
    assert SIGNER.sign(hashlib.sha256(text.encode()).digest()).hex() == expected


@given(st.integers(1, ORDER - 1), digests)
def test_low_s(number: int, digest: bytes) -> None:
    """Every signature has 64 bytes, a low s, and verifies."""
    signer = LocalSigner(number.to_bytes(32, "big"))
    signature = signer.sign(digest)
    assert len(signature) == 64
    assert 0 < int.from_bytes(signature[32:], "big") <= ORDER // 2
    assert verify(signer.public_key, digest, signature)


@given(digests)
def test_high_s_refused(digest: bytes) -> None:
    """The other signature that the curve's arithmetic allows is refused, as on the chain."""
    signature = SIGNER.sign(digest)
    high = ORDER - int.from_bytes(signature[32:], "big")
    assert not verify(SIGNER.public_key, digest, signature[:32] + high.to_bytes(32, "big"))


@pytest.mark.parametrize(
    "signature", [b"", b"\0" * 64, b"\xff" * 64, SIGNER.sign(bytes(32)) + b"\0", SIGNER.sign(bytes(32))[:-1]]
)
def test_no_such_signature(signature: bytes) -> None:
    """65 bytes, 63 bytes, zeros and numbers beyond the order are refused without an exception."""
    assert not verify(SIGNER.public_key, bytes(32), signature)


def test_no_such_key() -> None:
    """A public key that is no point is a failed check, not a crash."""
    assert not verify(b"\x02" + b"\xff" * 32, bytes(32), SIGNER.sign(bytes(32)))


@pytest.mark.parametrize("secret", [b"", bytes(32), ORDER.to_bytes(32, "big"), b"\x01" * 31, b"\x01" * 33])
def test_no_such_secret(secret: bytes) -> None:
    """Zero, the order, and other lengths are no keys."""
    with pytest.raises(ValueError, match=r"^not a secp256k1 private key$"):
        LocalSigner(secret)


def test_signer_shows_no_secret() -> None:
    """Neither repr nor str holds the key."""
    assert f"{SIGNER!r} {SIGNER}" == f"LocalSigner({ADDRESS}) LocalSigner({ADDRESS})"


@given(st.binary(min_size=20, max_size=32))
def test_bech32_round_trip(payload: bytes) -> None:
    """An address decodes into the bytes that it was made of."""
    assert bech32.decode(bech32.encode(payload)) == payload


@pytest.mark.parametrize(
    "address", ["", "ve1", COSMOS_ADDRESS, ADDRESS[:-1] + "q", ADDRESS[:9] + ADDRESS[9:].upper(), "ve1é"]
)
def test_bad_addresses(address: str) -> None:
    """Another prefix, a typing error and mixed case raise."""
    with pytest.raises(ValueError, match="invalid address"):
        bech32.decode(address)


def test_address_of_an_uncompressed_key() -> None:
    """Only compressed keys have addresses."""
    with pytest.raises(ValueError, match="33 bytes"):
        bech32.address_of(b"\x04" + bytes(64))
