"""Errors about a single endpoint's answers: sequences, heights, prices and gas."""

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

from provider_daemon.ledger.rows import OpenTx
from provider_daemon.loops import drafts, fees, gas, outbox, sequence
from provider_daemon.planning.gas import GAS_ADJUSTMENT
from provider_daemon.ports import TxOutcome
from tests.simulation.wrong import Changes


async def as_answered(self: Any, now: float) -> sequence.Turn:
    return sequence.Turn(await self._chain.account(self._signer))


def height_as_answered(height: int, included: tuple[int, float] | None, now: float) -> int:
    return height


def gas_as_simulated(self: Any, simulated: int, messages: int, most: int) -> int:
    return math.ceil(simulated * GAS_ADJUSTMENT)


async def replaced_with_the_next_sequence(self: Any, tx: OpenTx, answer: TxOutcome) -> None:
    """The open transaction is given up, and its replacement could be valid beside it."""
    draft = await self._draft(self._ledger.messages_of_tx(tx.id))
    if draft is not None:
        with self._ledger.write():
            self._ledger.close_tx(tx, "failed", code=answer.code, note=answer.log)
            new = self._ledger.add_tx(self._sign(replace(draft, sequence=tx.sequence + 1)), draft.messages)
        await self._send(new)


SENDING: dict[str, Changes] = {
    "a sequence without explanation is used": ((sequence.Sequences, "next", as_answered),),
    "a timeout height is what the endpoint says": ((drafts, "plausible_height", height_as_answered),),
    "a price has no ceiling": ((drafts._Conditions, "most_price", Decimal(10**9)),),
    "simulated gas is what the endpoint says": ((gas.GasLimits, "limit", gas_as_simulated),),
    "a rising price is paid exactly": ((fees.PriceTrend, "_margin", lambda self, blocks: 1.0),),
    "a replacement has a sequence of its own": (
        (outbox.Outbox, "_replace", replaced_with_the_next_sequence),
    ),
}
