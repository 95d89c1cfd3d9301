"""How much gas a transaction asks for: what the simulation says, within what such messages can cost.

One endpoint's simulation is one endpoint's word. A figure far above what reports and heartbeats cost would
buy nothing but a higher fee, so a plausible one is used in its place. Should the chain really need more, the
transaction runs out of gas, and the next may ask for twice as much: the chain's own verdict, not an
endpoint's, raises the limit."""

import math
from collections.abc import Iterable

GAS_ADJUSTMENT = 1.2  # on the simulated gas: the stored job can grow between simulation and block
OUT_OF_GAS_FACTOR = 2.0  # for each transaction that ran out of gas since the last that did not
MOST_FACTOR = 64.0
LEAST_GAS = 20_000  # a message, and the transaction around them: even in a large one none costs less
MOST_GAS = 200_000  # a message without its bytes: twice and more of what a report costs alone
GAS_A_BYTE = 80  # of the stored job: again twice what the chain charges


def most_plausible(sizes: Iterable[int]) -> int:
    """The most gas that messages can cost; `sizes`: bytes of each message, or of the chain's record that it
    changes."""
    return sum(MOST_GAS + GAS_A_BYTE * size for size in sizes)


class GasLimits:
    """What the transactions in blocks have shown, of one key."""

    def __init__(self) -> None:
        self._adjustment = GAS_ADJUSTMENT
        self._factor = 1.0

    def limit(self, simulated: int, messages: int, most: int) -> int:
        """The gas to ask for; `most`: of `most_plausible`."""
        wanted = math.ceil(max(simulated, LEAST_GAS * (messages + 1)) * self._adjustment)
        return min(wanted, math.ceil(most * self._factor))

    def implausible(self, simulated: int, most: int) -> bool:
        return simulated > most * self._factor

    def ran_out(self) -> None:
        """A transaction needed more than it asked for."""
        self._adjustment = min(self._adjustment * OUT_OF_GAS_FACTOR, MOST_FACTOR)
        self._factor = min(self._factor * OUT_OF_GAS_FACTOR, MOST_FACTOR)

    def was_enough(self) -> None:
        self._adjustment = GAS_ADJUSTMENT
