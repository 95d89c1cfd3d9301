"""Chooses the sequence of the next transaction: one that the ledger or the chain explains.

A transaction with a sequence that the account has not reached stays valid until others have used the
sequences before it. So a higher sequence counts only if the transaction that used the one before it is found.
A sequence lower than those of our transactions in blocks comes from an endpoint that is behind. Each
transaction that used a sequence after our last one is reported: it is ours and was given up too early, or
another signer's.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from provider_daemon.errors import Transient
from provider_daemon.ledger import sending
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import OpenTx
from provider_daemon.ports import Account, Chain, TxOutcome

MOST_LOOKED_UP = 20  # sequences between our last transaction and the account's
# an unexplained sequence is used after this time: a node may have lost its index, and a transaction with a
# wrong sequence is refused or expires
UNEXPLAINED_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Turn:
    """The account to sign with. `found`: what used the sequences since our last one, oldest first."""

    account: Account
    why_not: str = ""
    found: tuple[TxOutcome, ...] = ()


class Sequences:
    """The sequences of one key."""

    def __init__(self, ledger: Ledger, chain: Chain, signer: str) -> None:
        self._ledger = ledger
        self._chain = chain
        self._signer = signer
        # the unexplained sequence, and since when it has been returned
        self._doubtful: tuple[int, float] | None = None

    def given_up(self) -> list[OpenTx]:
        """Returns our given-up transactions that may still be in a block."""
        return sending.given_up(
            self._ledger, self._signer, sending.next_sequence(self._ledger, self._signer) or 0
        )

    async def next(self, now: float) -> Turn:
        account, floor = await self._chain.account(self._signer), self._floor()
        ours = sending.used_by_ours(self._ledger, self._signer, account.sequence - 1)
        if floor is None or account.sequence == floor or (account.sequence > floor and ours):
            self._doubtful = None
            return Turn(account)
        if account.sequence < floor:
            why = (
                f"the endpoint returned account sequence {account.sequence}, but a transaction in a block "
                f"has already used {floor - 1}"
            )
            return Turn(account, self._doubt(account.sequence, why, now))
        found = await self._look_up(range(max(floor, account.sequence - MOST_LOOKED_UP), account.sequence))
        if found and found[-1] is not None:
            self._doubtful = None
            return Turn(account, found=tuple(each for each in found if each))
        why = (
            f"the endpoint returned account sequence {account.sequence}, but provd's last transaction used "
            f"{floor - 1}, and no transaction was found that used the sequences between them"
        )
        return Turn(account, self._doubt(account.sequence, why, now))

    def _floor(self) -> int | None:
        """Returns the account's lowest possible sequence; None if the ledger knows no transaction."""
        known = sending.next_sequence(self._ledger, self._signer)
        if known is not None:
            return known
        tried = sending.given_up(self._ledger, self._signer, 0)
        return min(tx.sequence for tx in tried) if tried else None

    async def _look_up(self, sequences: Sequence[int]) -> list[TxOutcome | None]:
        """Searches the sequences' transactions; None if none is found or the node cannot search."""
        searches = (self._chain.find_by_sequence(self._signer, sequence) for sequence in sequences)
        answers = await asyncio.gather(*searches, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, Transient):
                raise answer
        return [None if isinstance(answer, BaseException) else answer for answer in answers]

    def _doubt(self, sequence: int, why: str, now: float) -> str:
        """Returns `why`, or '' once the same or a higher sequence was returned for UNEXPLAINED_SECONDS."""
        if self._doubtful is None or sequence < self._doubtful[0] or now < self._doubtful[1]:
            self._doubtful = (sequence, now)
        self._doubtful = (sequence, self._doubtful[1])
        return "" if now - self._doubtful[1] >= UNEXPLAINED_SECONDS else why
