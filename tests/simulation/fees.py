"""The chain's gas price, and what keeps transactions out of the mempool.

These are full blocks, and foreign transactions that name our account.
"""

import math
from dataclasses import dataclass
from decimal import Decimal

from tests.simulation.world import World

# below the default of chain.max_gas_price
USUAL, HIGHEST, RISE = Decimal("0.025"), Decimal("0.4"), Decimal("1.1")
ROOM = 0.5  # of the blocks, while they are nearly full, have room for us


@dataclass
class Fees:
    """The fee market.

    `price`: the current price of one unit of gas. It rises in each block while they are nearly full, and
    falls afterwards.
    """

    world: World
    price: Decimal = USUAL
    rises_until: float = 0.0
    strangers_until: float = 0.0

    def required(self, gas_limit: int) -> int:
        return math.ceil(self.price * gas_limit)

    def next_block(self) -> bool:
        """Reports whether the next block has room for our transactions."""
        now = self.world.now()
        if self.world.strikes("gas_price_rises"):
            self.rises_until = now + self.world.broken_for(10, 120)
            self.world.note("chain: blocks are nearly full, the price of gas rises")
        if self.world.strikes("strangers"):
            self.strangers_until = now + self.world.broken_for(5, 80)
            self.world.note("chain: strangers use up the rate limit of our account")
        full = now < self.rises_until
        self.price = min(self.price * RISE, HIGHEST) if full else max(self.price / RISE, USUAL)
        return not full or self.world.dice.random() < ROOM
