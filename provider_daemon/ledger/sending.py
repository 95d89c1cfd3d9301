"""What the outbox asks of the ledger about a key's transactions: sequences, fees, and what was given up."""

from collections.abc import Collection, Sequence

from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx


def next_sequence(ledger: Ledger, signer: str) -> int | None:
    """One more than the highest sequence that a transaction of ours in a block has used; None before the
    first."""
    row = ledger._one("next_sequence", signer=signer)
    return row["sequence"] if row else None


def given_up(ledger: Ledger, signer: str, sequence: int) -> list[OpenTx]:
    """Transactions with that sequence or a higher one that were closed without having been seen in a block;
    the newest first."""
    return [OpenTx(**dict(row)) for row in ledger._all("given_up", signer=signer, sequence=sequence)]


def newest_included(ledger: Ledger, signer: str) -> tuple[int, float] | None:
    """(height, when it was made in seconds since the epoch) of the key's last transaction in a block."""
    row = ledger._one("newest_included", signer=signer)
    return (row["height"], row["created_at"]) if row else None


def paid_lately(ledger: Ledger, signer: str, count: int) -> list[tuple[int, int]]:
    """(fee, gas used) of the key's last transactions in blocks."""
    return [(row["fee"], row["gas_used"]) for row in ledger._all("paid_lately", signer=signer, count=count)]


def fees_bound(ledger: Ledger, signer: str, since: float) -> int:
    """Fees of the transactions made at or after `since` that were paid or still can be. What never reached a
    block was not paid."""
    row = ledger._one("fees_bound", signer=signer, since=since)
    return row["fees"] if row else 0


def sizes(ledger: Ledger, messages: Sequence[Message]) -> list[int]:
    """Bytes of each message, or of the stored job that it reports about."""
    return [_size(ledger, message) for message in messages]


def _size(ledger: Ledger, message: Message) -> int:
    row = ledger._one("record_size", job_id=message.subject) if message.kind == "report" else None
    return len(message.body) + (row["bytes"] if row else 0)


def oldest_report(ledger: Ledger, signer: str) -> tuple[float, int] | None:
    """(when the oldest report that the chain has not confirmed was stored, how many there are); None when
    none waits."""
    row = ledger._one("oldest_report", signer=signer)
    return (row["oldest"], row["reports"]) if row and row["reports"] else None


def take_back(ledger: Ledger, ours: OpenTx, bodies: Collection[bytes]) -> OpenTx | None:
    """A transaction that was given up has used its sequence after all: it is open again, with what still
    waits.

    `bodies`: of the messages that it holds. The one that is open instead can never be included: it has the
    same sequence or a lower one. Call inside `ledger.write()`.
    """
    instead = ledger.open_tx(ours.signer)
    if instead is not None and instead.sequence > ours.sequence:
        return None
    if instead is not None:
        ledger.close_tx(instead, "expired", note=f"sequence {ours.sequence} was used by {ours.tx_hash}")
    return ledger.add_tx(
        ours, [message for message in ledger.waiting_messages(ours.signer) if message.body in bodies]
    )


def doubtful_since(ledger: Ledger) -> float:
    """When the ledger was last found to be new, put back or at rest; what was signed before that may be
    missing from it."""
    row = ledger._one("doubtful_since")
    return float(row["since"] or 0) if row else 0.0


def is_known(ledger: Ledger, tx_hash: str) -> bool:
    """Whether the ledger has that transaction."""
    return ledger._one("known_tx", tx_hash=tx_hash) is not None


def used_by_ours(ledger: Ledger, signer: str, sequence: int) -> bool:
    """Whether a transaction of ours with that sequence was seen in a block, however it ended there."""
    return ledger._one("used_by_ours", signer=signer, sequence=sequence) is not None
