"""Prices in the chain's records: of an offering, and of a job."""

import pytest

from provider_daemon.chain import records
from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.errors import Unreadable
from provider_daemon.job.pricing import Pricing
from provider_daemon.job.spec import ChainJob

ALL = t.HPCPricing(
    base_node_hour_price="1",
    cpu_core_hour_price="2",
    gpu_hour_price="3",
    memory_gb_hour_price="4",
    storage_gb_price="5.5",
    network_gb_price="6",
    currency="uve",
    minimum_charge="7",
)


def test_each_price_has_its_component() -> None:
    found = records.pricing(t.HPCOffering(pricing=ALL))
    assert found == Pricing(
        cpu_core_hour="2", memory_gb_hour="4", gpu_hour="3", storage_gb_hour="5.5", network_gb="6",
        node_hour="1", minimum_charge="7", currency="uve",
    )  # fmt: skip
    assert (found.denom, records.pricing(t.HPCOffering()).denom) == ("uve", "uvirt")


def test_the_queues_multiplier() -> None:
    """Of a queue that the offering does not have there is none."""
    queues = [t.QueueOption(partition_name="a"), t.QueueOption(partition_name="b", price_multiplier="1.25")]
    found = records.offering(t.HPCOffering(offering_id="OFF-1", queue_options=queues))
    assert [found.price_multiplier(name) for name in ("a", "b", "c")] == ["", "1.25", ""]


@pytest.mark.parametrize("written", ["x", "-1", "1e9", "1" * 25, "0." + "1" * 19, "٣", " 1"])
def test_what_is_no_price_is_named(written: str) -> None:
    """An exponent is none either: a short text would be an enormous number."""
    with pytest.raises(Unreadable, match="offering OFF-1: invalid gpu_hour_price"):
        records.pricing(t.HPCOffering(offering_id="OFF-1", pricing=t.HPCPricing(gpu_hour_price=written)))
    queue = t.QueueOption(partition_name="fast", price_multiplier=written)
    with pytest.raises(Unreadable, match="offering OFF-1: invalid price_multiplier of queue 'fast'"):
        records.pricing(t.HPCOffering(offering_id="OFF-1", queue_options=[queue]))


def job(*coins: tuple[str, str], escrow_id: str = "") -> ChainJob:
    record = t.HPCJob(
        job_id="JOB-1",
        state=t.JOB_STATE_PENDING,
        agreed_price=[Coin(denom=denom, amount=amount) for denom, amount in coins],
        escrow_id=escrow_id,
    )
    record.created_at.FromSeconds(1)
    return records.chain_job(record, "chain")


def test_what_is_held_for_a_job() -> None:
    """Only what has the denom counts, and only an escrow is held."""
    coins = (("uvirt", "5"), ("uve", "7"), ("uvirt", "1"))
    assert (job(*coins).agreed("uvirt"), job(*coins).escrowed("uvirt")) == (6, 0)
    assert (job(*coins, escrow_id="e").escrowed("uvirt"), job(escrow_id="e").escrowed("uvirt")) == (6, 0)


@pytest.mark.parametrize("amount", ["", "-5", "much", "1.5", "9" * 41])
def test_an_amount_that_cannot_be_read(amount: str) -> None:
    with pytest.raises(Unreadable, match="invalid amount in agreed_price"):
        job(("uvirt", amount))
