"""Lies of the endpoint in use to the outbox, and the checks of their effect.

The lies are about heights, sequences, prices and gas. The chain's client asks several endpoints where it can.
These lies are those that pass it: of an only endpoint, or of a majority.
"""

from collections.abc import Callable
from decimal import Decimal

from provider_daemon.chain import tx as transactions
from provider_daemon.loops.fees import REMEMBERED_BLOCKS
from provider_daemon.ports import Account, Head, TxOutcome
from tests.simulation.blocks import Blocks
from tests.simulation.client import SimulatedChain
from tests.simulation.gate import Gate
from tests.simulation.world import World

# blocks; the maximum distance of a valid timeout height is much less
FAR = 1_000_000
AHEAD = 7  # sequences
FALSE_PRICE = Decimal(100)
FALSE_GAS = 1000  # a multiple of the simulated gas
MOST_PRICE = Decimal("0.5")  # the default of chain.max_gas_price
MOST_GAS = 5_000_000  # per message
LEAST_RISE = Decimal("1.001")  # a smaller rise shows in no fee


class LyingChain(SimulatedChain):
    """The chain as the outbox sees it, in one life of the daemon."""

    def __init__(self, world: World, blocks: Blocks, gate: Gate, provider: str) -> None:
        super().__init__(world, blocks, gate, provider)
        self._price: Decimal | None = None
        self._height = 0
        self._seen: list[tuple[int, Decimal]] = []
        self._offered: set[str] = set()

    def _tells(self, fault: str) -> bool:
        """Reports whether to lie: only to a ledger with an included transaction of its own.

        Before that nothing contradicts a lie.
        """
        forgetful = {"ledger_lost", "ledger_restored", "second_daemon"} & self._world.chances.keys()
        return not forgetful and self._blocks.ours_in_block() and self._blocks.false.given(fault)

    async def head(self) -> Head:
        head = await super().head()
        self._height = head.height
        if not self._tells("height_lie"):
            return head
        self._seen, self._price = [], None  # the daemon cannot distinguish a slope from it
        return Head(head.height + FAR, head.time)

    async def account(self, address: str) -> Account:
        account = await super().account(address)
        return Account(account.number, account.sequence + AHEAD) if self._tells("sequence_lie") else account

    async def balance(self, address: str, denom: str) -> int:
        """The last call for a draft: the draft has the price by now."""
        balance = await super().balance(address, denom)
        price, self._price = self._price, None
        if price is not None:
            before = [seen for seen in self._seen if seen[0] < self._height]
            self._seen = [*before, (self._height, price)][-2:]
        return balance

    async def gas_price(self, denom: str) -> Decimal:
        price = await super().gas_price(denom)
        if self._tells("gas_price_lie"):
            self._seen = []
            return FALSE_PRICE
        self._price = price
        return price

    async def simulate(self, tx_bytes: bytes) -> int:
        gas = await super().simulate(tx_bytes)
        return gas * FALSE_GAS if self._tells("gas_lie") else gas

    async def broadcast(self, tx_bytes: bytes) -> TxOutcome:
        if (tx_hash := transactions.tx_hash(tx_bytes)) not in self._offered:
            self._offered.add(tx_hash)
            self._check(tx_bytes)
        return await super().broadcast(tx_bytes)

    def _check(self, tx_bytes: bytes) -> None:
        """Checks invariant 13 at the first send of a transaction.

        A transaction that an earlier life left open counts as one of this life.
        """
        tx, blocks = transactions.decode(tx_bytes), self._blocks
        info, gas = tx.auth_info.signer_infos[0], tx.auth_info.fee.gas_limit
        fee = sum(int(coin.amount) for coin in tx.auth_info.fee.amount)
        broken: dict[str, Callable[[], bool]] = {
            f"sequence {info.sequence} is signed, the account's is {blocks.books.sequence}": lambda: (
                info.sequence > blocks.books.sequence
            ),
            f"timeout height {tx.body.timeout_height} at height {blocks.height}": lambda: (
                tx.body.timeout_height > blocks.height + FAR // 2 and self._clock_is_right
            ),
            f"{fee} is paid for {gas} gas": lambda: fee > gas * MOST_PRICE + 1,
            f"{gas} gas is asked for by {len(tx.body.messages)} messages": lambda: (
                gas > MOST_GAS * len(tx.body.messages) and not self._world.deeds["out_of_gas"]
            ),
            f"{fee} is paid for {gas} gas while the price rises": lambda: (
                self._rising() and fee <= gas * self._seen[-1][1] + 1
            ),
        }
        for text, holds in broken.items():
            if holds():
                self._world.wrong(f"13 {text}")

    @property
    def _clock_is_right(self) -> bool:
        """Reports whether the clock is right.

        A clock that is a day ahead after a restart allows for the blocks of a day.
        """
        return "clock_jump" not in self._world.chances

    def _rising(self) -> bool:
        if len(self._seen) < 2 or self._seen[1][0] - self._seen[0][0] > REMEMBERED_BLOCKS:
            return False
        return self._seen[0][1] * LEAST_RISE < self._seen[1][1] < MOST_PRICE
