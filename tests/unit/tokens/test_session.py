"""Sessions and links: only the gateway's key makes them, and nothing in them can be changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.tokens.identity import ALL, READ_ONLY, Identity, Right, Scope
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused
from provider_daemon.tokens.session import SessionKey
from tests.unit.tokens.wallets import CUSTOMER, KEY, NOW

IDENTITY = Identity(CUSTOMER.address, Scope(READ_ONLY, "JOB-1"), int(NOW) + 60)
TOKEN = KEY.seal(IDENTITY).token


@pytest.mark.parametrize("rights", [ALL, READ_ONLY, frozenset({Right.UPLOAD})])
def test_a_session_is_read_as_it_was_made(rights: frozenset[Right]) -> None:
    """Account, rights, job and end."""
    identity = Identity(CUSTOMER.address, Scope(rights, "JOB-7"), int(NOW) + 60)
    session = KEY.seal(identity)
    assert KEY.open(session.token, NOW) == identity
    assert session.expires_at == identity.expires_at


def test_a_session_ends() -> None:
    """Our own clock made it, so there is no leeway."""
    assert KEY.open(TOKEN, NOW + 59.9) == IDENTITY
    with pytest.raises(TokenRefused) as refused:
        KEY.open(TOKEN, NOW + 60)
    assert refused.value.reason is TokenRefusal.EXPIRED


@pytest.mark.parametrize("other", [SessionKey(b"x" * 32), KEY.derive("challenges")])
def test_another_key_is_refused(other: SessionKey) -> None:
    """A session of another gateway, of an earlier process, or of another purpose."""
    with pytest.raises(TokenRefused) as refused:
        other.open(TOKEN, NOW)
    assert refused.value.reason is TokenRefusal.SIGNATURE


def test_codes_of_one_purpose_are_not_valid_for_another() -> None:
    """The code of a challenge is no session's, whatever text it covers."""
    assert KEY.code("session", b"x") != KEY.code("challenge", b"x")


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_any_changed_character_is_noticed(place: int, character: str) -> None:
    """A token with one other character is never valid."""
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    if changed != TOKEN:
        with pytest.raises(TokenRefused):
            KEY.open(changed, NOW)


@given(st.text(max_size=200))
def test_any_text_is_refused_with_a_reason(text: str) -> None:
    """Nothing but TokenRefused leaves the parser."""
    with pytest.raises(TokenRefused):
        KEY.open(f"provd1.{text}", NOW)


def test_the_secret_is_long_and_never_shown() -> None:
    """A short secret is refused; repr shows nothing."""
    with pytest.raises(ValueError, match="at least 32 bytes"):
        SessionKey(b"short")
    assert repr(KEY) == "SessionKey()"
