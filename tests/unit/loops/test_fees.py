"""What a transaction pays, and how much gas it asks for: pure rules."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.loops import fees
from provider_daemon.loops.gas import GasLimits, most_plausible
from provider_daemon.loops.heights import plausible_height
from provider_daemon.loops.sending_problems import Problem

NOW = Decimal("0.025")


def trend(*prices: str) -> fees.PriceTrend:
    """One block apart, from height 1 on."""
    made = fees.PriceTrend()
    for height, price in enumerate(prices, 1):
        made.observe(height, Decimal(price))
    return made


def test_a_flat_price_is_paid_exactly() -> None:
    """No margin without a slope, whatever happened before; nor while the price falls."""
    assert trend("0.025").quote(1, NOW, 20) == NOW
    assert trend("0.01", "0.025", "0.025").quote(3, NOW, 20) == NOW
    assert trend("0.05", "0.025").quote(2, NOW, 20) == NOW


def test_a_rising_price_is_paid_ahead() -> None:
    """6 % a block, as at 87 % full blocks: the fee is enough for 20 blocks more of it; never more than eight
    times the price."""
    rising = trend(*(str(Decimal("0.025") * Decimal("1.06") ** block) for block in range(10)))
    price = Decimal("0.025") * Decimal("1.06") ** 9
    assert rising.quote(10, price, 20) == pytest.approx(price * Decimal("1.06") ** 20, rel=Decimal("0.01"))
    assert trend("0.001", "0.025").quote(2, NOW, 20) == NOW * 8


def test_a_price_that_turns_is_paid_ahead() -> None:
    """It fell within the same blocks: the slope counts from where it rises again."""
    assert trend("0.08", "0.05", "0.055").quote(102, Decimal("0.055"), 8) > Decimal("0.1")


def test_a_false_height_does_not_stop_the_slope() -> None:
    """One price at a height far ahead is forgotten with the next one: the margin follows what rises after
    it."""
    lied = trend("0.025")
    lied.observe(1_000_000, NOW)
    lied.observe(3, Decimal("0.028"))
    assert lied.quote(3, Decimal("0.028"), 20) > Decimal("0.05")


def test_what_a_node_required_counts_for_some_blocks() -> None:
    """Its own minimum may be above the chain's price; it is forgotten after a while."""
    asked = trend("0.025")
    asked.require(1, Decimal("0.2"))
    assert asked.quote(5, NOW, 20) == Decimal("0.2")
    assert asked.quote(30, NOW, 20) == NOW


@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(0, 10**6)), max_size=20),
    st.integers(1, 500),
    st.integers(1, 1000),
)
def test_a_quote_has_bounds(seen: list[tuple[int, int]], height: int, blocks: int) -> None:
    """Whatever endpoints have said, at whatever heights: between the price now and eight times that."""
    made = fees.PriceTrend()
    for at, price in seen:
        made.observe(at, Decimal(price) / 1000)
    assert NOW <= made.quote(height, NOW, blocks) <= 8 * NOW


@pytest.mark.parametrize(
    ("max_fee", "balance", "spent", "amount", "problem"),
    [
        (10, 100, 0, 10, Problem.FEE_OVER_CEILING),
        (10, 5, 0, 5, Problem.WALLET_EMPTY),
        (10, 100, 47, 3, Problem.FEE_BUDGET_SPENT),
        (10, 100, 99, 0, Problem.FEE_BUDGET_SPENT),
    ],
)
def test_the_lowest_ceiling_binds(
    max_fee: int, balance: int, spent: int, amount: int, problem: Problem
) -> None:
    """One transaction's ceiling, the wallet, or what is left of the budgets."""
    ceiling = fees.lowest_ceiling(max_fee, balance, fees.Budget(50, 1000, spent, spent), "uve")
    assert (ceiling.amount, ceiling.problem) == (amount, problem)


def test_the_usual_price() -> None:
    """The median of what was paid; a few dear transactions do not move it, and too few say nothing."""
    paid = [(2_500, 100_000)] * 20 + [(50_000, 100_000)] * 5
    assert fees.usual_price(paid) == 0.025
    assert fees.usual_price(paid[:3]) == 0
    assert fees.is_alarming(Decimal("0.2"), 0.025)
    assert not fees.is_alarming(Decimal("0.1"), 0.025)


def test_gas_stays_within_what_messages_can_cost() -> None:
    """A simulation 1,000 times too high or low costs no more than a plausible one; each transaction without
    enough gas doubles it."""
    limits, most = GasLimits(), most_plausible([500, 500])
    assert limits.limit(80_000, 2, most) == 96_000
    assert limits.limit(80_000_000, 2, most) == most
    assert limits.limit(1, 2, most) == 72_000
    limits.ran_out()
    assert limits.limit(80_000_000, 2, most) == 2 * most
    assert limits.limit(80_000, 2, most) == 192_000
    limits.was_enough()
    assert limits.limit(80_000, 2, most) == 96_000


def test_heights_have_a_bound() -> None:
    """From the last transaction in a block: ten blocks a second at most. Without one, or with a clock set
    back, the endpoint's word."""
    assert plausible_height(1_000_000, (500, 100.0), 160.0) == 500 + 100 + 600
    assert plausible_height(510, (500, 100.0), 160.0) == 510
    assert plausible_height(1_000_000, None, 160.0) == 1_000_000
    assert plausible_height(1_000_000, (500, 100.0), 90.0) == 1_000_000
