"""Who gets what out of an escrow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.money.bill import Bill
from provider_daemon.money.settlement import Escrow, NodeReward, NotPayable, Payment, Recipient, pay, rewards

BILL = Bill(total=1_000, platform_fee=50, provider_reward=800, node_reward=149)
ESCROW = Escrow("JOB-1", "ve1customer", {"uvirt": 2_000, "uve": 5})


def test_recipients() -> None:
    """Platform, provider, node operators: by weight, each share truncated."""
    nodes = [NodeReward("a.n1", "ve1one", 2), NodeReward("a.n2", "ve1two", 1)]
    paid = rewards(BILL, platform="ve1platform", provider="ve1provider", nodes=nodes)
    assert [(payment.recipient, payment.address, payment.amount, payment.denom) for payment in paid] == [
        ("platform", "ve1platform", 50, "uvirt"),
        ("provider", "ve1provider", 800, "uvirt"),
        ("node_operator", "ve1one", 99, "uvirt"),
        ("node_operator", "ve1two", 49, "uvirt"),
    ]
    assert [payment.node for payment in paid] == [None, None, *nodes]
    assert NodeReward("a.n3", "ve1one").weight == 1


def test_whoever_gets_nothing_is_left_out() -> None:
    """So a bill of nothing pays nobody, and without nodes their share stays in the escrow."""
    assert rewards(Bill(), platform="p", provider="q", nodes=[NodeReward("n", "o")]) == ()
    assert [payment.recipient for payment in rewards(BILL, platform="p", provider="q")] == [
        Recipient.PLATFORM,
        Recipient.PROVIDER,
    ]


def test_the_rest_goes_back() -> None:
    """To the customer, each denomination; the one that is not billed whole."""
    due = rewards(BILL, platform="p", provider="q")
    closed, paid = pay(ESCROW, due)
    assert closed == Escrow("JOB-1", "ve1customer", ESCROW.coins, open=False)
    assert paid == (
        *due,
        Payment(Recipient.CUSTOMER, "ve1customer", 5, "uve"),
        Payment(Recipient.CUSTOMER, "ve1customer", 1_150, "uvirt"),
    )


def test_a_job_that_never_ran_is_refunded_whole() -> None:
    _, paid = pay(ESCROW, rewards(Bill(), platform="p", provider="q"))
    assert {payment.denom: payment.amount for payment in paid} == ESCROW.coins
    assert {payment.address for payment in paid} == {"ve1customer"}


def test_an_escrow_pays_once() -> None:
    closed, _ = pay(ESCROW, ())
    with pytest.raises(NotPayable, match="the escrow of JOB-1 is closed: it has paid"):
        pay(closed, ())


@pytest.mark.parametrize(("amount", "denom"), [(2_001, "uvirt"), (1, "uother"), (-1, "uvirt")])
def test_nothing_is_paid_that_is_not_there(amount: int, denom: str) -> None:
    """Too much, in a denomination that was not put in, or less than nothing."""
    with pytest.raises(NotPayable, match=f"JOB-1: {amount}{denom} for provider are not in the escrow"):
        pay(ESCROW, [Payment(Recipient.PROVIDER, "q", amount, denom)])


def test_the_last_uvirt() -> None:
    """Everything can be owed; then nothing goes back, and a payment of nothing changes nothing."""
    due = [Payment(Recipient.PROVIDER, "q", 2_000), Payment(Recipient.PLATFORM, "p", 0)]
    _, paid = pay(Escrow("JOB-1", "c", {"uvirt": 2_000}), due)
    assert paid == tuple(due)
    assert pay(Escrow("JOB-1", "c"), ())[1] == ()


amounts = st.integers(min_value=0, max_value=10**12)


@given(amounts, amounts, amounts, amounts, st.lists(st.integers(min_value=1, max_value=100), max_size=5))
def test_what_is_paid_is_what_was_put_in(
    put_in: int, fee: int, reward: int, nodes: int, weights: list[int]
) -> None:
    """To the uvirt, for any shares that fit; what does not fit is not paid at all."""
    workers = [NodeReward(f"n{number}", f"o{number}", weight) for number, weight in enumerate(weights)]
    cost = Bill(platform_fee=fee, provider_reward=reward, node_reward=nodes)
    due = rewards(cost, platform="p", provider="q", nodes=workers)
    owed = sum(payment.amount for payment in due)
    assert owed <= fee + reward + nodes
    escrow = Escrow("JOB-1", "c", {"uvirt": put_in})
    if owed > put_in:
        with pytest.raises(NotPayable):
            pay(escrow, due)
    else:
        _, paid = pay(escrow, due)
        assert sum(payment.amount for payment in paid) == put_in
        assert all(payment.amount > 0 for payment in paid)
