"""One-time identifiers: used once, remembered until they expire, and never without bound."""

import pytest

from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused
from provider_daemon.tokens.replay import ReplayGuard


def refusal(guard: ReplayGuard, account: str, identifier: str, ends: float, now: float) -> TokenRefusal:
    with pytest.raises(TokenRefused) as refused:
        guard.claim(account, identifier, ends, now)
    return refused.value.reason


def test_an_identifier_is_used_once_for_each_account() -> None:
    """Two customers may choose the same jti."""
    guard = ReplayGuard(0.0)
    guard.claim("a", "1", 100.0, 0.0)
    guard.claim("b", "1", 100.0, 0.0)
    assert refusal(guard, "a", "1", 100.0, 50.0) is TokenRefusal.REPLAYED


def test_an_identifier_is_remembered_as_long_as_its_token_is_accepted() -> None:
    """That is its end and the leeway; then its place is free again."""
    guard = ReplayGuard(0.0)
    guard.claim("a", "1", 100.0, 0.0)
    assert refusal(guard, "a", "1", 100.0, 160.0) is TokenRefusal.REPLAYED
    guard.claim("a", "2", 300.0, 160.1)
    assert len(guard) == 1


def test_memory_is_bounded_and_a_full_guard_refuses() -> None:
    """One account cannot fill the memory, and all together cannot exceed it."""
    guard = ReplayGuard(0.0, capacity=5, per_account=3)
    for number in range(3):
        guard.claim("a", str(number), 100.0, 0.0)
    assert refusal(guard, "a", "3", 100.0, 0.0) is TokenRefusal.TOO_MANY
    guard.claim("b", "0", 100.0, 0.0)
    guard.claim("c", "0", 100.0, 0.0)
    assert refusal(guard, "d", "0", 100.0, 0.0) is TokenRefusal.TOO_MANY
    assert len(guard) == 5
    guard.claim("a", "3", 300.0, 161.0)
    assert len(guard) == 1


@pytest.mark.parametrize(("issued", "accepted"), [(939.0, False), (1060.0, False), (1060.5, True)])
def test_what_may_be_from_before_the_start_is_refused(issued: float, accepted: bool) -> None:
    """A customer's clock may be up to a minute ahead, so the first minute counts as before the start."""
    guard = ReplayGuard(1000.0)
    if accepted:
        guard.check_issued(issued, 1061.0)
        return
    with pytest.raises(TokenRefused, match=r"Make a new token in 51 seconds") as refused:
        guard.check_issued(issued, 1010.0)
    assert refused.value.reason is TokenRefusal.BEFORE_START
