"""The book-keeping loop: a note of each account every ten minutes, and at the first tick of a month."""

import structlog

from provider_daemon.books.keeper import Keeper
from provider_daemon.books.months import month_of
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.chain_identity import require
from provider_daemon.ports import Clock

log = structlog.get_logger("provd.books")

PERIOD_SECONDS = 60.0  # the loop's own; a month begins with a note at most that late
NOTE_SECONDS = 600.0


class BookKeeping:
    def __init__(self, ledger: Ledger, keeper: Keeper, clock: Clock) -> None:
        self._ledger = ledger
        self._keeper = keeper
        self._clock = clock
        self._noted_at: float | None = None

    async def tick(self) -> None:
        """Raises Refused while the chain is another one than the ledger's."""
        require(self._ledger)
        now = self._clock.now()
        if self._noted_at is not None and not due(self._noted_at, now):
            return
        step = await self._keeper.step(now)
        self._keeper.store(step)
        self._noted_at = now
        for note in step.notes:
            if not note.explained or note.missing:
                log.warning(
                    "balance_unexplained",
                    account=note.address,
                    transactions_missing=note.missing,
                    **{denom: line.other for denom, line in note.lines.items() if line.other},
                    next="the statement shows the difference as 'other'; find out what else the account "
                    "paid or received, unless the next note explains it",
                )


def due(noted_at: float, now: float) -> bool:
    """Returns whether a note is due: after NOTE_SECONDS, in a new month, or if the clock was set back."""
    return not 0 <= now - noted_at < NOTE_SECONDS or month_of(noted_at) != month_of(now)
