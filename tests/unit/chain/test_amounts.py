"""Amounts of coins in the chain's records."""

import pytest

from provider_daemon.chain.accounts import accounted
from provider_daemon.chain.amounts import amount
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.errors import Unreadable


def test_one_denomination_is_summed() -> None:
    """Coins of other denominations do not count."""
    held = [Coin(denom="uvirt", amount="3"), Coin(denom="uve", amount="5"), Coin(denom="uvirt", amount="4")]
    assert amount(held, "uvirt", "job JOB-1", "agreed_price") == 7


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1e3", "9" * 41, "1_000"])
def test_what_is_no_amount(text: str) -> None:
    """It raises with the record and field, also in a denomination that is not asked for."""
    with pytest.raises(Unreadable, match="job JOB-1: invalid amount in agreed_price: "):
        amount([Coin(denom="uve", amount=text)], "uvirt", "job JOB-1", "agreed_price")


def test_an_accounting_with_a_wrong_amount_is_unreadable() -> None:
    """The books leave out a job whose record cannot be read; another error would stop all of them."""
    job = types_pb2.HPCJob(job_id="JOB-1", state=types_pb2.JOB_STATE_COMPLETED)
    wrong = types_pb2.JobAccounting(job_id="JOB-1", total_cost=[Coin(denom="uvirt", amount="much")])
    with pytest.raises(Unreadable, match="the accounting of JOB-1: invalid amount in total_cost: 'much'"):
        accounted(job, wrong, 0)
