"""Limits per address and per account. Pure: time is an argument, and memory is bounded."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from provider_daemon.gateway.errors import ApiError, Code
from provider_daemon.listener.buckets import TokenBuckets
from provider_daemon.metrics.gate import GateLimits

JSON_BYTES = 32 * 1024  # of a request's JSON body
BODY_SECONDS = 10.0  # for a JSON body to arrive
READ_BYTES = 256 * 1024  # of a body that are read ahead, so that uploads are written in large parts
CHUNK_SECONDS = 30.0  # for the next part of an upload to arrive
STALLED_SECONDS = 60.0  # for a client to accept the next part of an answer
CONNECTIONS, CONNECTIONS_PER_ADDRESS = 1024, 64
STREAMS, STREAMS_PER_ACCOUNT = 256, 16  # downloads, archives and logs in progress
ARCHIVES_PER_ACCOUNT = 1  # each occupies one of two programs at the site as long as its client reads
FOLLOWERS = 64  # of logs, among them: each occupies a channel to the site
LOGIN_FAILURES_PER_MINUTE = 30  # of one address


def port_limits(*, proxied: bool) -> GateLimits:
    """Behind a reverse proxy all connections have one address."""
    return GateLimits(CONNECTIONS, 0 if proxied else CONNECTIONS_PER_ADDRESS, "gateway")


class Rates(TokenBuckets):
    def check(self, key: str, now: float) -> None:
        """Counts one event. Raises ApiError if there were too many."""
        if wait := self.wait(key, now):
            raise too_many(wait)
        self.spend(key, now)


def too_many(wait: float) -> ApiError:
    seconds = str(int(wait) + 1)
    return ApiError(
        Code.TOO_MANY, f"Too many requests. Try again in {seconds} seconds.", headers={"Retry-After": seconds}
    )


class Slots:
    """Answers in progress, in all and of each account."""

    def __init__(self, most: int = STREAMS, per_account: int = STREAMS_PER_ACCOUNT) -> None:
        self._most, self._per_account = most, per_account
        self._open: Counter[str] = Counter()

    @property
    def open(self) -> int:
        return self._open.total()

    @contextmanager
    def taken(self, account: str) -> Iterator[None]:
        """Raises ApiError if too many are open."""
        if self.open >= self._most or self._open[account] >= self._per_account:
            raise ApiError(
                Code.TOO_MANY_STREAMS,
                "Too many downloads or logs are open. Close some, then try again.",
                headers={"Retry-After": "10"},
            )
        self._open[account] += 1
        try:
            yield
        finally:
            self._open[account] -= 1
            if not self._open[account]:
                del self._open[account]
