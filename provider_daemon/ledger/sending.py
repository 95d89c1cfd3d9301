"""The outbox's queries about a key's transactions: sequences, fees, and given-up transactions."""

from collections.abc import Collection, Sequence

from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx


def next_sequence(ledger: Ledger, signer: str) -> int | None:
    """Returns the sequence after the highest one that our transactions in blocks used; None for none."""
    row = ledger._one("next_sequence", signer=signer)
    return row["sequence"] if row else None


def given_up(ledger: Ledger, signer: str, sequence: int) -> list[OpenTx]:
    """Returns closed transactions from that sequence on that were not seen in a block; newest first."""
    return [OpenTx(**dict(row)) for row in ledger._all("given_up", signer=signer, sequence=sequence)]


def newest_included(ledger: Ledger, signer: str) -> tuple[int, float] | None:
    """Returns (height, when it was signed, in epoch seconds) of the key's last transaction in a block."""
    row = ledger._one("newest_included", signer=signer)
    return (row["height"], row["created_at"]) if row else None


def paid_lately(ledger: Ledger, signer: str, count: int) -> list[tuple[int, int]]:
    """Returns (fee, gas used) of the key's last transactions in blocks."""
    return [(row["fee"], row["gas_used"]) for row in ledger._all("paid_lately", signer=signer, count=count)]


def fees_bound(ledger: Ledger, signer: str, since: float) -> int:
    """Returns the fees of transactions made since `since` that were paid or can still be included."""
    row = ledger._one("fees_bound", signer=signer, since=since)
    return row["fees"] if row else 0


def sizes(ledger: Ledger, messages: Sequence[Message]) -> list[int]:
    """Returns the bytes of each message, or of the stored job that it reports about."""
    return [_size(ledger, message) for message in messages]


def _size(ledger: Ledger, message: Message) -> int:
    row = ledger._one("record_size", job_id=message.subject) if message.kind == "report" else None
    return len(message.body) + (row["bytes"] if row else 0)


def oldest_report(ledger: Ledger, signer: str) -> tuple[float, int] | None:
    """Returns (when the oldest unconfirmed report was stored, their number); None if none waits."""
    row = ledger._one("oldest_report", signer=signer)
    return (row["oldest"], row["reports"]) if row and row["reports"] else None


def take_back(ledger: Ledger, ours: OpenTx, bodies: Collection[bytes]) -> OpenTx | None:
    """Opens a given-up transaction that has used its sequence, with those of its messages that still wait.

    `bodies`: of the messages that it holds. A transaction that is open now can never be included, because it
    has the same sequence or a lower one. Call inside `ledger.write()`.
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
    """Returns when the ledger was last found stale; it may lack transactions signed before that."""
    row = ledger._one("doubtful_since")
    return float(row["since"] or 0) if row else 0.0


def is_known(ledger: Ledger, tx_hash: str) -> bool:
    """Returns whether the ledger has that transaction."""
    return ledger._one("known_tx", tx_hash=tx_hash) is not None


def used_by_ours(ledger: Ledger, signer: str, sequence: int) -> bool:
    """Returns whether a transaction of ours in a block has used that sequence.

    One that failed may have failed before it used the sequence. If another one with that sequence was given
    up, that one may have used it, and the chain has to be searched.
    """
    return ledger._one("used_by_ours", signer=signer, sequence=sequence) is not None
