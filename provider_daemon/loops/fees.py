"""Computes what a transaction pays: gas price with a margin, price limit, hourly and daily budget. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from provider_daemon.loops.sending_problems import Problem

HOUR, DAY = 3600, 86_400
REMEMBERED_BLOCKS = 60  # how long an observed price counts for the slope
REQUIRED_BLOCKS = 20  # how long a price that a node required counts, although the chain's price is lower
MOST_GROWTH = 1.22  # per block; the chain's price grows by no more
# a multiple of the price; a transaction that pays too little is replaced, so it need not cover everything
MOST_MARGIN = 8.0
RESERVE = 0.25  # the last fraction of a budget, which is kept for reports
ALARM = 5.0  # multiple of the usual price
LEAST_HISTORY = 5  # number of transactions from which a usual price is computed


class PriceTrend:
    """The prices of one unit of gas, by the height at which each was observed."""

    def __init__(self) -> None:
        self._seen: list[tuple[int, Decimal]] = []
        self._required: tuple[int, Decimal] | None = None

    def observe(self, height: int, price: Decimal) -> None:
        """Adds a price. Prices at greater heights are dropped: they came from another endpoint."""
        kept = [seen for seen in self._seen if seen[0] < height][-REMEMBERED_BLOCKS:]
        self._seen = [*kept, (height, price)]

    def require(self, height: int, price: Decimal) -> None:
        """Records the price that a node required when it refused a transaction."""
        self._required = (height, price)

    def quote(self, height: int, price: Decimal, blocks: int) -> Decimal:
        """Returns a price that is still enough in `blocks` blocks; exactly `price` if it does not rise."""
        if self._required and 0 <= height - self._required[0] <= REQUIRED_BLOCKS:
            price = max(price, self._required[1])
        return price * Decimal(str(self._margin(blocks)))

    def _margin(self, blocks: int) -> float:
        if len(self._seen) < 2 or self._seen[-1][1] <= self._seen[-2][1]:
            return 1.0
        (height, price), (last_height, last_price) = self._start(blocks), self._seen[-1]
        if price <= 0 or last_height - height > REMEMBERED_BLOCKS:
            return 1.0
        growth = min(math.pow(last_price / price, 1 / (last_height - height)), MOST_GROWTH)
        return min(math.pow(growth, blocks), MOST_MARGIN)

    def _start(self, blocks: int) -> tuple[int, Decimal]:
        """Returns the lowest price of the last `blocks` blocks, or the last but one if there is none."""
        recent = [seen for seen in self._seen[:-1] if seen[0] >= self._seen[-1][0] - blocks]
        return min(recent, key=lambda seen: seen[1]) if recent else self._seen[-2]


def usual_price(paid: Sequence[tuple[int, int]]) -> float:
    """Returns the median fee per gas used, from (fee, gas used) of included transactions; 0 if too few."""
    prices = [fee / gas for fee, gas in paid if gas > 0]
    return float(median(prices)) if len(prices) >= LEAST_HISTORY else 0.0


def is_alarming(price: Decimal, usual: float) -> bool:
    return usual > 0 and float(price) > ALARM * usual


@dataclass(frozen=True, slots=True)
class Budget:
    """A key's fee budget in the fee denom, and the fees paid in the last hour and the last day."""

    an_hour: int
    a_day: int
    paid_in_hour: int
    paid_in_day: int

    @property
    def left(self) -> int:
        return max(0, min(self.an_hour - self.paid_in_hour, self.a_day - self.paid_in_day))

    @property
    def shown(self) -> str:
        return (
            f"paid {self.paid_in_hour} of {self.an_hour} in the last hour, {self.paid_in_day} of "
            f"{self.a_day} in the last day"
        )

    @property
    def for_reports_only(self) -> bool:
        """Whether heartbeats stop: an offline cluster gets no new jobs, an unreported job no pay."""
        return (
            self.an_hour - self.paid_in_hour < RESERVE * self.an_hour
            or self.a_day - self.paid_in_day < RESERVE * self.a_day
        )


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The highest fee allowed, and the problem to show if one message costs more."""

    amount: int
    problem: Problem
    why: str


def lowest_ceiling(max_fee: int, balance: int, budget: Budget, denom: str) -> Ceiling:
    """Returns the lowest of the limits on a fee."""
    ceilings = (
        Ceiling(max_fee, Problem.FEE_OVER_CEILING, f"chain.max_fee is {max_fee} {denom}"),
        Ceiling(balance, Problem.WALLET_EMPTY, f"the account has {balance} {denom}: insufficient funds"),
        Ceiling(
            budget.left,
            Problem.FEE_BUDGET_SPENT,
            f"{budget.left} {denom} are left of the fee budget: {budget.shown}",
        ),
    )
    return min(ceilings, key=lambda ceiling: ceiling.amount)


def fee_of(gas: int, price: Decimal) -> int:
    return math.ceil(gas * price)
