"""The text that wallets sign: what it binds, and that stock wallets' signatures of it are valid."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.chain.signed_documents import adr036
from provider_daemon.tokens import challenge
from provider_daemon.tokens.identity import Audience
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused
from provider_daemon.tokens.session import SessionKey
from tests.unit.tokens.wallets import (
    AUDIENCE,
    CHALLENGE,
    CUSTOMER,
    KEY,
    NOW,
    PROVIDER,
    STRANGER,
    VECTORS,
    public_key,
    signed,
)


def check(
    text: str = CHALLENGE,
    key: str = VECTORS["public_key"],
    signature: str = "",
    audience: Audience = AUDIENCE,
    secret: SessionKey = KEY,
    now: float = NOW,
) -> challenge.Answer:
    return challenge.check(text, key, signature or signed(text), audience, secret, now)


def refusal(**changes: object) -> TokenRefusal:
    with pytest.raises(TokenRefused) as refused:
        check(**changes)  # type: ignore[arg-type]  # each case changes one argument
    return refused.value.reason


def test_the_recorded_challenge_is_ours() -> None:
    """The text is fixed byte for byte, and names all that it is good for."""
    made = challenge.make(CUSTOMER.address, AUDIENCE, KEY, bytes(range(16)), NOW)
    assert made == challenge.Challenge(CHALLENGE, 1_800_000_300)
    for word in (AUDIENCE.url, AUDIENCE.chain_id, PROVIDER, CUSTOMER.address, "2027-01-15T08:05:00Z"):
        assert word in CHALLENGE


@pytest.mark.parametrize("wallet", VECTORS["challenge_signatures"])
def test_signatures_of_stock_wallets_are_valid(wallet: str) -> None:
    """@cosmjs/amino and Keplr sign the challenge as ADR-036 arbitrary data."""
    answer = check(signature=VECTORS["challenge_signatures"][wallet])
    assert answer == challenge.Answer(CUSTOMER.address, bytes(range(16)).hex(), 1_800_000_300)


def test_another_key_is_refused() -> None:
    """The key must be the account's, and the signature the key's."""
    assert refusal(key=public_key(STRANGER), signature=signed(CHALLENGE, STRANGER)) is TokenRefusal.SIGNATURE
    assert refusal(signature=signed(CHALLENGE, STRANGER)) is TokenRefusal.SIGNATURE
    assert refusal(signature=signed("another text")) is TokenRefusal.SIGNATURE


def test_a_stranger_cannot_sign_in_the_customers_name() -> None:
    """The signed document names the customer, but the key is the stranger's own."""
    digest = hashlib.sha256(adr036(CHALLENGE.encode(), CUSTOMER.address)).digest()
    signature = base64.b64encode(STRANGER.sign(digest)).decode()
    assert refusal(key=public_key(STRANGER), signature=signature) is TokenRefusal.SIGNATURE


@pytest.mark.parametrize("text", ["", "=", "====", "AAAA", "not base64", "AoS_", "é", "A" * 10_000])
def test_unreadable_keys_and_signatures_are_refused(text: str) -> None:
    """Wrong base64 is a refusal, not an error of the gateway."""
    assert refusal(key=text) is TokenRefusal.SIGNATURE
    assert refusal(signature=text or "=") is TokenRefusal.SIGNATURE


@pytest.mark.parametrize(
    "audience",
    [
        Audience("https://other.example", AUDIENCE.chain_id, AUDIENCE.providers),
        Audience(AUDIENCE.url, "virtengine-2", AUDIENCE.providers),
        Audience(AUDIENCE.url, AUDIENCE.chain_id, frozenset({STRANGER.address})),
    ],
)
def test_a_challenge_of_another_gateway_is_refused(audience: Audience) -> None:
    """Even of a gateway with the same secret."""
    assert refusal(audience=audience) is TokenRefusal.WRONG_AUDIENCE


def test_a_challenge_expires() -> None:
    """After five minutes."""
    assert check(now=NOW + 299.9).expires_at == NOW + 300
    assert refusal(now=NOW + 300) is TokenRefusal.EXPIRED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\nCode: ",
        CHALLENGE + "\n",
        CHALLENGE.replace("08:05", "09:05"),
        CHALLENGE.replace(CUSTOMER.address, STRANGER.address),
        CHALLENGE[:-1],
        CHALLENGE.replace("Code: ", "Code: é"),
        "x" * 100_000 + CHALLENGE,
        "\ud800" + CHALLENGE,
    ],
)
def test_texts_that_we_did_not_make_are_refused(text: str) -> None:
    """A customer cannot write a challenge, for example one that is valid for longer."""
    assert refusal(text=text, signature="AAAA") is TokenRefusal.MALFORMED


def test_a_challenge_of_another_secret_is_refused() -> None:
    """The secret is the gateway's own."""
    assert refusal(secret=SessionKey(b"x" * 32)) is TokenRefusal.MALFORMED


@pytest.mark.parametrize(
    "address",
    ["", "ve1", "cosmos1tp7fhly84qm6q4hhzmp0nh5frtdugmysqhcplp", PROVIDER.upper(), PROVIDER + "\nx"],
)
def test_a_challenge_is_for_an_account(address: str) -> None:
    """A text in place of an address cannot put lines into what the customer signs."""
    with pytest.raises(TokenRefused) as refused:
        challenge.make(address, AUDIENCE, KEY, bytes(16), NOW)
    assert refused.value.reason is TokenRefusal.MALFORMED


@given(st.text(max_size=200), st.text(max_size=100), st.text(max_size=100))
def test_any_answer_is_refused_with_a_reason(text: str, key: str, signature: str) -> None:
    """Nothing but TokenRefused leaves the check."""
    with pytest.raises(TokenRefused):
        challenge.check(text, key, signature, AUDIENCE, KEY, NOW)
    with pytest.raises(TokenRefused):
        challenge.check(CHALLENGE, key, signature, AUDIENCE, KEY, NOW)
