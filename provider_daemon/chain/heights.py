"""Determines which of the endpoints' claims about the newest block can be true. Pure.

Theory of operation. An honest node's height grows by one per block. With three or more endpoints the common
height is what a majority of them has reached: one endpoint alone can neither raise it nor lower it. With two,
it is what both have reached. If no majority answers, or two differ, or only one is configured, a claim counts
if its growth since the last accepted height is possible in the time that has passed. A claim above the common
height makes that endpoint implausible, a claim below it makes that endpoint stale; no other endpoint changes.
A height that was accepted wrongly is corrected by a majority at once, and otherwise when the common height
stands still while another claim grows, or when an endpoint keeps growing from a lower height with later
blocks than the accepted one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from provider_daemon.ports import EndpointState

# how far behind the common height an endpoint may answer: nodes receive a block at different moments
LAG_BLOCKS = 2
AHEAD_BLOCKS = 10  # how far ahead of the common height, in the same check
FASTEST_BLOCK = 0.01  # minimum seconds per block, while the chain's own pace is not known
PACE_MARGIN = 4.0  # how many times faster than its own pace a chain may be for a while
# seconds per block that are never too fast: a pace that was seen through a lagging node is not the chain's
ALWAYS_POSSIBLE = 0.1
PACE_SECONDS = 20.0  # of observation before a pace counts
# without growth after which the common height is no longer considered a majority's
STALLED_SECONDS = 30.0
RELEARN_SECONDS = 60.0  # of steady growth from a lower height after which that height is accepted
FRESH_SECONDS = 10.0  # for how long a claim counts besides those of others


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim.

    `time` of the block and `seen_at`, the time of the claim, are in seconds since the epoch.
    """

    height: int
    time: float
    seen_at: float


@dataclass(slots=True)
class _Relearning:
    """An endpoint that claims a lower height than before."""

    since: float
    first: int


class Heights:
    """The heights.

    `height` is the common height, 0 before any; `time` of that block is the median of the claims that agree
    with it.
    """

    def __init__(self) -> None:
        self.height = 0
        self.time = 0.0
        self._confirmed_at = 0.0
        self._grew_at = 0.0
        # the height that a majority had reached, and when that last grew
        self._majority: tuple[int, float] = (0, 0.0)
        self._block_seconds = FASTEST_BLOCK
        self._pace_from: tuple[int, float] | None = None
        self._relearning: dict[str, _Relearning] = {}

    def judge(
        self, claims: Mapping[str, Claim], asked: Collection[str], endpoints: int, now: float
    ) -> dict[str, EndpointState]:
        """Returns the verdict on each endpoint of `asked`.

        `claims`: the newest of every endpoint that answers; `endpoints`: how many there are. `now` is in
        seconds since the epoch, by a clock that is never set.
        """
        self._confirmed_at, self._grew_at = min(self._confirmed_at, now), min(self._grew_at, now)
        fresh = {
            name: claim
            for name, claim in claims.items()
            if name in asked or 0 <= now - claim.seen_at <= FRESH_SECONDS
        }
        self._accept(fresh, endpoints, now)
        verdicts = {name: self._verdict(claims[name], now) for name in asked if name in claims}
        if self._relearn(claims, verdicts, now):
            verdicts = {name: self._verdict(claims[name], now) for name in verdicts}
        self.time = (
            _median(
                [claim.time for claim in fresh.values() if self._verdict(claim, now) is EndpointState.HEALTHY]
            )
            or self.time
        )
        return verdicts

    # --- the common height ---

    def _accept(self, claims: Mapping[str, Claim], endpoints: int, now: float) -> None:
        common = self._common(claims, endpoints, now)
        if common is None:
            return
        height, corroborated = common
        oldest = min(claim.seen_at for claim in claims.values())
        if height < self.height and not (corroborated and self.height > height + self._lead(now - oldest)):
            if height >= self.height - LAG_BLOCKS:
                self._confirmed_at = oldest
            return
        if height != self.height:
            self._learn_pace(height, now)
            self._grew_at = now
        self.height, self._confirmed_at = height, oldest

    def _common(self, claims: Mapping[str, Claim], endpoints: int, now: float) -> tuple[int, bool] | None:
        """Returns the height, and whether a majority of several endpoints is at it."""
        majority, ranked = (
            endpoints // 2 + 1,
            sorted((claim.height for claim in claims.values()), reverse=True),
        )
        stalled = bool(self.height) and now - self._grew_at >= STALLED_SECONDS
        height = ranked[majority - 1] if endpoints > 1 and len(ranked) >= majority else None
        # with two, one may be lying: they must agree
        within = AHEAD_BLOCKS if endpoints > 2 else LAG_BLOCKS
        alike = height is not None and sum(height <= each <= height + within for each in ranked) >= majority
        if height is not None and (endpoints > 2 or alike):
            self._majority = (height, now if height > self._majority[0] else self._majority[1])
            beyond = any(
                each > height + AHEAD_BLOCKS and self._possible(each, self._grew_at, now) for each in ranked
            )
            if not (beyond and now - self._majority[1] >= STALLED_SECONDS):
                return height, alike
        since = self._grew_at if stalled else self._confirmed_at
        possible = [each for each in ranked if self._possible(each, since, now)]
        if not self.height and ranked and ranked[0] - ranked[-1] > AHEAD_BLOCKS:
            return ranked[-1], False  # it is unknown which of two is right
        return (possible[0], False) if possible else None

    def _possible(self, height: int, since: float, now: float) -> bool:
        return not self.height or height <= self.height + self._lead(now - since)

    def _lead(self, seconds: float) -> float:
        """Returns how many blocks can have been made in so many seconds."""
        return AHEAD_BLOCKS + max(0.0, seconds) / self._block_seconds

    def _learn_pace(self, height: int, now: float) -> None:
        if self._pace_from is None or height <= self._pace_from[0]:
            self._pace_from = (height, now)
        elif now - self._pace_from[1] >= PACE_SECONDS:
            began, at = self._pace_from
            self._block_seconds = min(
                ALWAYS_POSSIBLE, max(FASTEST_BLOCK, (now - at) / (height - began) / PACE_MARGIN)
            )
            self._pace_from = (height, now)

    # --- the endpoints ---

    def _verdict(self, claim: Claim, now: float) -> EndpointState:
        if claim.height < self.height - LAG_BLOCKS:
            return EndpointState.HEIGHT_DECREASED
        if claim.height > self.height + self._lead(now - self._confirmed_at):
            return EndpointState.IMPLAUSIBLE_HEIGHT
        return EndpointState.HEALTHY

    def _relearn(
        self, claims: Mapping[str, Claim], verdicts: Mapping[str, EndpointState], now: float
    ) -> bool:
        """Reports whether a lower height was accepted.

        This happens if no endpoint is at the accepted height, and one grew from the lower one for long
        enough.
        """
        if EndpointState.HEALTHY in verdicts.values():
            self._relearning = {}
            return False
        for name, verdict in verdicts.items():
            claim, before = claims[name], self._relearning.get(name)
            if verdict is not EndpointState.HEIGHT_DECREASED or claim.time <= min(self.time, now):
                self._relearning.pop(name, None)
            elif before is None or claim.height < before.first:
                self._relearning[name] = _Relearning(now, claim.height)
            elif now - before.since >= RELEARN_SECONDS and claim.height >= before.first + LAG_BLOCKS:
                self.height, self._confirmed_at, self._grew_at = claim.height, now, now
                self._relearning = {}
                return True
        return False


def _median(values: list[float]) -> float:
    """Returns the median: the lower one of two in the middle; 0 of none."""
    return sorted(values)[(len(values) - 1) // 2] if values else 0.0
