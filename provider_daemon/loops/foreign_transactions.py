"""Foreign transactions of a key: each is logged once and shown by provd_trouble for an hour."""

import structlog

from provider_daemon.ledger import sending
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import TxOutcome

log = structlog.get_logger("provd.outbox")

SHOWN_SECONDS = 3600.0
REMEMBERED = 100  # hashes


class ForeignTransactions:
    """The foreign transactions of one key."""

    def __init__(self, ledger: Ledger, signer: str, ongoing: OngoingProblems) -> None:
        self._ledger = ledger
        self._signer = signer
        self._ongoing = ongoing
        self._known: dict[str, float] = {}

    def found(self, other: TxOutcome, now: float) -> None:
        """Records a transaction that used a sequence of the key and that the ledger does not know."""
        if other.tx_hash in self._known or self._may_be_ours():
            return
        self._known = {**dict(list(self._known.items())[1 - REMEMBERED :]), other.tx_hash: now}
        self._ongoing.start("foreign_tx", self._signer, now)
        log.error(
            "foreign_tx",
            signer=self._signer,
            tx=other.tx_hash,
            height=other.height,
            next="find out who else uses this key; give provd its own key",
        )

    def forget(self, now: float) -> None:
        """Clears the problem when no foreign transaction was found for an hour."""
        if all(abs(now - at) >= SHOWN_SECONDS for at in self._known.values()):
            self._ongoing.clear("foreign_tx", self._signer)

    def _may_be_ours(self) -> bool:
        """Whether a restored ledger may lack the transaction, until one of its own is in a block."""
        newest = sending.newest_included(self._ledger, self._signer)
        return newest is None or newest[1] < sending.doubtful_since(self._ledger)
