"""One-time identifiers: each is accepted once, as far as this process can know."""

from collections import Counter
from heapq import heappop, heappush

from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused

LEEWAY_SECONDS = 60


class ReplayGuard:
    """Remembers used identifiers until they expire, at most `capacity`, and `per_account` of one account.

    A restarted process has forgotten what was used, so it refuses what may have been issued before it
    started. The clock of a customer may be ahead by LEEWAY_SECONDS, so a token that names a time shortly
    after the start may have been used before it: it is refused as well.
    """

    def __init__(self, started_at: float, capacity: int = 100_000, per_account: int = 1_000) -> None:
        self.started_at = started_at
        self._capacity = capacity
        self._per_account = per_account
        self._used: set[tuple[str, str]] = set()
        self._by_account: Counter[str] = Counter()
        self._ends: list[tuple[float, tuple[str, str]]] = []

    def __len__(self) -> int:
        return len(self._used)

    def check_issued(self, issued_at: float, now: float) -> None:
        """Raises TokenRefused (before start) if the token may have been used before this process started."""
        earliest = self.started_at + LEEWAY_SECONDS
        if issued_at <= earliest:
            wait = max(0, round(earliest - now)) + 1
            raise TokenRefused(
                TokenRefusal.BEFORE_START,
                "The gateway was restarted and cannot know whether this token was used before. "
                f"Make a new token in {wait} seconds.",
            )

    def claim(self, account: str, identifier: str, expires_at: float, now: float) -> None:
        """Uses up the identifier. Raises TokenRefused (replayed, too many)."""
        self._forget(now)
        entry = (account, identifier)
        if entry in self._used:
            raise TokenRefused(TokenRefusal.REPLAYED, "This one-time token was already used. Make a new one.")
        if len(self._used) >= self._capacity or self._by_account[account] >= self._per_account:
            raise TokenRefused(
                TokenRefusal.TOO_MANY, "Too many logins in a short time. Try again in 15 minutes."
            )
        self._used.add(entry)
        self._by_account[account] += 1
        heappush(self._ends, (expires_at + LEEWAY_SECONDS, entry))

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] < now:
            _, entry = heappop(self._ends)
            self._used.discard(entry)
            self._by_account[entry[0]] -= 1
            if not self._by_account[entry[0]]:
                del self._by_account[entry[0]]
