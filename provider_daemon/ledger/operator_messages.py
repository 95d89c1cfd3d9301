"""Messages of operators in the outbox. Functions that write run inside `with ledger.write():`."""

from dataclasses import dataclass

from provider_daemon.ledger.ledger import MAX_DETAIL, Ledger
from provider_daemon.text import cut


@dataclass(frozen=True, slots=True)
class MessageFate:
    """What became of a message.

    `status`: waiting, confirmed (it is in a block) or dropped, with the reason in `note`. `tx_hash` is "" and
    the other fields are empty while no transaction holds it. `position`: its place in the transaction. `fee`
    is the whole transaction's, in the fee denom.
    """

    status: str
    note: str
    tx_hash: str
    tx_bytes: bytes
    height: int
    fee: int
    position: int


def add(ledger: Ledger, signer: str, name: str, body: bytes, now: float) -> int:
    """Adds a message and returns its id. `body`: a serialized google.protobuf.Any of the type `name`."""
    return int(
        ledger._all("add_operator_message", signer=signer, subject=name, body=body, created_at=now)[0]["id"]
    )


def fate(ledger: Ledger, message_id: int) -> MessageFate | None:
    row = ledger._one("message_fate", id=message_id)
    return MessageFate(**dict(row)) if row else None


def withdraw(ledger: Ledger, message_id: int, note: str) -> bool:
    """Drops a message that no transaction holds. Returns whether it was dropped."""
    return bool(ledger._run("withdraw_message", id=message_id, note=cut(note, MAX_DETAIL)).rowcount)
