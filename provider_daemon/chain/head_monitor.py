"""Monitors whether the chain makes blocks, and whether its clock and ours agree.

Both are judged by the newest block of each endpoint.
"""

import structlog

from provider_daemon.ongoing import OngoingProblems

log = structlog.get_logger("provd.chain")

HALTED_SECONDS = 30.0  # without a new block; the chain's own block time is about 6 s
APART_SECONDS = 60.0  # between our clock and a new block's time: far more than a block takes


class HeadMonitor:
    """The monitor. `highest` is the greatest height seen.

    It is pure except for its log lines: the caller passes the times.
    """

    def __init__(self, chain_id: str, ongoing: OngoingProblems) -> None:
        self.highest = 0
        self._chain_id = chain_id
        self._ongoing = ongoing
        self._same_since: float | None = None
        self._apart = False

    def saw(self, height: int, block_time: float, now: float, elapsed: float) -> None:
        """Processes a block.

        `block_time` and `now` are in seconds since the epoch; `elapsed` is in seconds of a monotonic clock.
        """
        if height > self.highest:
            self._new_block(height, block_time, now)
        elif self._same_since is None:
            self._same_since = elapsed
        elif elapsed - self._same_since >= HALTED_SECONDS and self._ongoing.start(
            "chain_halted", self._chain_id, now
        ):
            why = f"no new block since height {self.highest} for {HALTED_SECONDS:.0f} s"
            log.warning(
                "chain_halted",
                chain=self._chain_id,
                why=why,
                next="reports wait until the chain produces blocks",
            )

    def _new_block(self, height: int, block_time: float, now: float) -> None:
        self.highest, self._same_since = height, None
        if self._ongoing.clear("chain_halted", self._chain_id):
            log.info("chain_resumed", chain=self._chain_id, height=height)
        seconds = round(now - block_time)
        before, self._apart = self._apart, abs(seconds) > APART_SECONDS
        if not self._apart:
            if self._ongoing.clear("clocks_differ", self._chain_id):
                log.info("clocks_agree", chain=self._chain_id)
        # The first block after a halt has a time of before the halt, so one block alone proves nothing.
        elif before and self._ongoing.start("clocks_differ", self._chain_id, now):
            side = "ahead of" if seconds > 0 else "behind"
            why = f"this host's clock is {abs(seconds)} s {side} the time of new blocks"
            following = (
                "correct this host's clock (NTP), then restart provd: it reads the clock only at its start"
            )
            log.error("clocks_differ", chain=self._chain_id, why=why, next=following)
