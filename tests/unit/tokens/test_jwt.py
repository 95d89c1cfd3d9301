"""The JWT of the published SDK: what is read, what is verified, and what is refused as no such token."""

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain.sign import ORDER
from provider_daemon.tokens import jwt
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused
from provider_daemon.tokens.strict import base64url
from tests.unit.tokens.wallets import AUDIENCE, CUSTOMER, NOW, STRANGER, VECTORS, claims

TOKEN: str = VECTORS["tokens"]["full ES256K"]


def refusal(token: str) -> TokenRefusal:
    with pytest.raises(TokenRefused) as refused:
        jwt.verify(jwt.read(token), CUSTOMER.public_key)
    assert len(str(refused.value)) < 200
    return refused.value.reason


def assemble(header: bytes, payload: bytes) -> str:
    """Returns a token with any bytes as its parts, signed properly with ES256K."""
    text = f"{base64url(header)}.{base64url(payload)}"
    return f"{text}.{base64url(CUSTOMER.sign(hashlib.sha256(text.encode()).digest()))}"


HEADER = b'{"alg":"ES256K","typ":"JWT"}'
PAYLOAD = json.dumps(claims()).encode()


@pytest.mark.parametrize("name", VECTORS["tokens"])
def test_tokens_of_stock_wallets_are_valid(name: str) -> None:
    """Both algorithms and all three kinds of access, as @cosmjs/amino signs them."""
    read = jwt.read(VECTORS["tokens"][name])
    jwt.verify(read, base64.b64decode(VECTORS["public_key"]))
    assert read.claims.model_dump(exclude_none=True) == VECTORS["claims"][name.split()[0]]


def test_our_signature_is_the_stock_wallets() -> None:
    """provd's client makes the same bytes as the SDK's rules with @cosmjs/crypto."""
    assert jwt.signed_token(claims(), CUSTOMER) == TOKEN


def test_another_accounts_key_is_refused() -> None:
    """A valid signature counts only for the account that owns the key."""
    read = jwt.read(jwt.signed_token(claims(), STRANGER))
    for key in (STRANGER.public_key, CUSTOMER.public_key, b"", b"\x02" + bytes(32)):
        with pytest.raises(TokenRefused) as refused:
            jwt.verify(read, key)
        assert refused.value.reason is TokenRefusal.SIGNATURE


def test_a_high_s_is_refused() -> None:
    """The second spelling of a signature, with s replaced by n - s, is no second token."""
    text, _, code = TOKEN.rpartition(".")
    signature = base64.urlsafe_b64decode(code + "==")
    s = int.from_bytes(signature[32:], "big")
    high = signature[:32] + (ORDER - s).to_bytes(32, "big")
    assert refusal(f"{text}.{base64url(high)}") is TokenRefusal.SIGNATURE


@pytest.mark.parametrize("length", [0, 63, 65, 70])
def test_a_signature_has_64_bytes(length: int) -> None:
    """DER and cut signatures are refused."""
    text, _, _ = TOKEN.rpartition(".")
    assert refusal(f"{text}.{base64url(bytes(length))}") is TokenRefusal.SIGNATURE


def test_the_algorithms_cannot_be_swapped() -> None:
    """A signature of one algorithm is not valid under the name of the other."""
    for ours, other in (("ES256K", "ES256KADR36"), ("ES256KADR36", "ES256K")):
        _, payload, code = VECTORS["tokens"][f"full {ours}"].split(".")
        header = base64url(json.dumps({"alg": other, "typ": "JWT"}, separators=(",", ":")).encode())
        assert refusal(f"{header}.{payload}.{code}") is TokenRefusal.SIGNATURE


@pytest.mark.parametrize("algorithm", ["none", "None", "", "HS256", "HS512", "ES256", "RS256", 1, None])
def test_other_algorithms_do_not_exist(algorithm: object) -> None:
    """A token cannot choose `none`, or a MAC whose key would be the public key."""
    header = base64url(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    text = f"{header}.{base64url(PAYLOAD)}"
    code = hmac.digest(CUSTOMER.public_key, text.encode(), "sha256")
    for signature in (b"", code, CUSTOMER.sign(hashlib.sha256(text.encode()).digest())):
        assert refusal(f"{text}.{base64url(signature)}") is TokenRefusal.ALGORITHM


@pytest.mark.parametrize(
    "extra", [{"kid": "1"}, {"jwk": {}}, {"crit": ["exp"]}, {"b64": False}, {"zip": "DEF"}, {"typ": "JWS"}]
)
def test_the_header_has_no_other_fields(extra: dict[str, object]) -> None:
    """A field that names a key, compression or an extension is refused, not ignored."""
    header = json.dumps({"alg": "ES256K", "typ": "JWT", **extra}).encode()
    assert refusal(assemble(header, PAYLOAD)) is TokenRefusal.MALFORMED


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (b'{"alg":"ES256K","typ":"JWT","typ":"JWT"}', PAYLOAD),
        (HEADER, PAYLOAD.replace(b'"iss"', b'"iss":"ve1other","iss"')),
        (HEADER, PAYLOAD.replace(b'"access"', b'"access":"full","access"')),
        (HEADER, PAYLOAD.replace(b"1800000900", b"1800000900.0")),
        (HEADER, PAYLOAD.replace(b"1800000900", b"18e8")),
        (HEADER, PAYLOAD.replace(b"1800000900", b"NaN")),
        (HEADER, b"[]"),
        (HEADER, b"{}"),
        (HEADER, b""),
        (HEADER, b"\xff"),
        (HEADER, b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"),
        (b"[]", PAYLOAD),
        (b"null", PAYLOAD),
    ],
)
def test_json_with_two_readings_is_refused(header: bytes, payload: bytes) -> None:
    """Duplicate keys, fractions, NaN, other types, bytes that are no text, and deep nesting."""
    assert refusal(assemble(header, payload)) is TokenRefusal.MALFORMED


def test_padding_and_unused_bits_are_refused() -> None:
    """Each token has one spelling: a used one cannot come again with another last character."""
    text, _, code = TOKEN.rpartition(".")
    other = "_-"[code[-1] == "_"]
    for changed in (code + "==", code[:-1] + chr(ord(code[-1]) + 1), code + " ", code[:-1] + other):
        assert refusal(f"{text}.{changed}") is TokenRefusal.MALFORMED


def test_an_oversized_token_is_refused_before_it_is_read() -> None:
    """The limit is 8192 characters."""
    padded = PAYLOAD.replace(b"2b1c6a53", b"x" * 9000)
    assert refusal(assemble(HEADER, padded)) is TokenRefusal.MALFORMED


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c.d", "..", "é.b.c", "\x00.\n.\r"])
def test_other_texts_are_refused(token: str) -> None:
    """Text with another number of parts, or other characters."""
    assert refusal(token) is TokenRefusal.MALFORMED


@given(st.text(max_size=300))
def test_any_text_is_refused_with_a_reason(text: str) -> None:
    """Nothing but TokenRefused leaves the parser."""
    assert refusal(text) in TokenRefusal


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_any_changed_character_is_noticed(place: int, character: str) -> None:
    """A token with one other character is never valid."""
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    if changed != TOKEN:
        assert refusal(changed) in TokenRefusal


def test_our_client_makes_a_token_for_one_gateway() -> None:
    """The token names the provider and carries `aud`, so it needs no jti and serves many requests."""
    read = jwt.read(jwt.mint(CUSTOMER, AUDIENCE, NOW))
    jwt.verify(read, CUSTOMER.public_key)
    assert read.claims.aud == "https://gateway.example:8443#virtengine-localnet-1"
    assert read.claims.exp - read.claims.iat == 600
    assert read.claims.leases.access == "granular"
