"""Computes a transaction's gas limit from its simulation, within what such messages can cost.

A simulation is the result of one endpoint, which may be wrong. A value far above the cost of reports and
heartbeats would only raise the fee, so the highest plausible value replaces it. If the chain really needs
more, the transaction runs out of gas and the next limit may be twice as high. Only the chain's own result
raises the limit.
"""

import math
from collections.abc import Iterable

from provider_daemon.planning.gas import GAS_ADJUSTMENT

OUT_OF_GAS_FACTOR = 2.0  # for each transaction that ran out of gas since the last successful one
MOST_FACTOR = 64.0
LEAST_GAS = 20_000  # per message, plus one for the transaction; no message costs less
MOST_GAS = 200_000  # per message without its bytes; at least twice the cost of a single report
GAS_A_BYTE = 80  # per byte of the stored job; twice what the chain charges


def most_plausible(sizes: Iterable[int]) -> int:
    """Returns the most gas that messages of these sizes can cost.

    `sizes`: bytes of each message, or of the record on chain that it changes.
    """
    return sum(MOST_GAS + GAS_A_BYTE * size for size in sizes)


class GasLimits:
    """One key's gas limits, adjusted by the results of its transactions in blocks.

    The stored job can grow between simulation and block, therefore the first adjustment is above 1.
    """

    def __init__(self) -> None:
        self._adjustment = GAS_ADJUSTMENT
        self._factor = 1.0

    def limit(self, simulated: int, messages: int, most: int) -> int:
        """Returns the gas limit. `most` comes from `most_plausible`."""
        wanted = math.ceil(max(simulated, LEAST_GAS * (messages + 1)) * self._adjustment)
        return min(wanted, math.ceil(most * self._factor))

    def implausible(self, simulated: int, most: int) -> bool:
        return simulated > most * self._factor

    def ran_out(self) -> None:
        """Raises the limits after a transaction ran out of gas."""
        self._adjustment = min(self._adjustment * OUT_OF_GAS_FACTOR, MOST_FACTOR)
        self._factor = min(self._factor * OUT_OF_GAS_FACTOR, MOST_FACTOR)

    def was_enough(self) -> None:
        self._adjustment = GAS_ADJUSTMENT
