"""docs/gateway.md, 'Login', compared with the code."""

from provider_daemon.tokens import challenge, login, strict
from provider_daemon.tokens.refusal import TokenRefusal
from tests.unit.docs import blocks, page, table
from tests.unit.tokens.wallets import CHALLENGE

GATEWAY = page("gateway.md")


def test_the_challenge_is_the_codes() -> None:
    """The example is the text that stock wallets signed for the tests."""
    assert CHALLENGE in [block.rstrip("\n") for block in blocks(GATEWAY, "text")]


def test_every_refusal_is_documented() -> None:
    """In the order of the code."""
    assert [row[0].strip("`") for row in table(GATEWAY, "code")] == [reason.value for reason in TokenRefusal]


def test_limits() -> None:
    """Numbers in sentences."""
    assert login.ONE_TIME_SECONDS == 15 * 60
    assert login.GRANULAR_SECONDS == 24 * 3600
    assert login.SESSION_SECONDS == 8 * 3600
    assert login.LINK_SECONDS == 7 * 86400
    assert challenge.LIFETIME_SECONDS == 5 * 60
    for text in (
        f"more than {strict.MAX_CHARACTERS} characters",
        "at most 15 minutes from",
        "at most 24 hours from",
        "lasts 8 hours",
        "at most 7 days",
        "valid for 5 minutes",
        "leeway of 60 s",
    ):
        assert text in " ".join(GATEWAY.split())
