"""What becomes of a transaction, and how sure we are."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from provider_daemon.chain.broadcast import INDEX_LAG
from provider_daemon.chain.proto.virtengine.hpc.v1 import tx_pb2, types_pb2
from provider_daemon.client import coins, transaction
from provider_daemon.client.coins import Coin, Price
from provider_daemon.client.transaction import NotIncluded, Prepared, TxTerms
from provider_daemon.client.unindexed import FateUnknown
from provider_daemon.devnet.mempool import Mempool
from provider_daemon.errors import ConfigError, Refused
from tests.fakes.chain import ALICE, TestChain, job

NODES = tx_pb2.MsgRegisterCluster(provider_address=ALICE.address, name="a", region="b", total_nodes=1)


@pytest_asyncio.fixture
async def chain() -> AsyncIterator[TestChain]:
    started = await TestChain().start()
    yield started
    await started.stop()


async def prepared(chain: TestChain, **terms: Any) -> Prepared:
    return await transaction.prepare(chain.client, [NODES], ALICE.public_key, TxTerms(**terms))


def clock(step: float = 0.0) -> Any:
    seconds = itertools.count(0, step) if step else itertools.repeat(0.0)
    return lambda: next(seconds)


async def test_price(chain: TestChain) -> None:
    """Simulated gas times the adjustment at the chain's price; at ours; or the whole fee."""
    usual = await prepared(chain)
    assert usual.fee == Coin(-(-usual.gas_limit * 25 // 1000), "uve")
    dearer = await prepared(chain, price=Price(Decimal("0.1"), "uve"))
    assert dearer.fee.amount == -(-dearer.gas_limit // 10)
    whole = await prepared(chain, fee=Coin(9999, "uve"), gas=123_456)
    assert (whole.fee.amount, whole.gas_limit) == (9999, 123_456)
    assert (await prepared(chain, adjustment=2.0)).gas_limit > usual.gas_limit * 1.5


async def test_a_chain_that_takes_no_environment(chain: TestChain) -> None:
    """Its refusal names the decoder's trouble; ours what to leave out."""
    await chain.open_shop()
    chain.devnet.blocks.mempool = Mempool(
        replace(chain.devnet.rules, compat="published"), chain.devnet.blocks.state
    )
    spec = types_pb2.JobWorkloadSpec(container_image="alpine:3", environment={"A": "1"})
    with pytest.raises(Refused, match=r"tx parse error .*reject jobs with environment variables"):
        await transaction.prepare(chain.client, [job(workload_spec=spec)], ALICE.public_key, TxTerms())


async def test_always_with_a_timeout_height(chain: TestChain) -> None:
    height = chain.devnet.blocks.height
    assert (await prepared(chain)).timeout_height == height + transaction.TIMEOUT_BLOCKS
    assert (await prepared(chain, timeout_height=height + 3)).timeout_height == height + 3
    with pytest.raises(ConfigError, match="has passed"):
        await prepared(chain, timeout_height=height)


async def test_not_included(chain: TestChain) -> None:
    """Once the timeout height is past, nothing happened and nothing can: exit code 3."""
    draft = await prepared(chain, timeout_height=chain.devnet.blocks.height + 2)
    signed = transaction.sign(draft, ALICE, chain.client.chain_id)
    for _ in range(2 + INDEX_LAG + 1):
        chain.block()
    with pytest.raises(NotIncluded, match="had no effect") as caught:
        await transaction.included(chain.client, signed, draft, clock())
    assert caught.value.exit_code == 3


async def test_fate_unknown(chain: TestChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain that stops answering after the send leaves it open, and says until when: exit code 4."""
    monkeypatch.setattr(transaction, "POLL_SECONDS", 0.0)
    draft = await prepared(chain)
    signed = transaction.sign(draft, ALICE, chain.client.chain_id)
    await transaction.send(chain.client, signed)
    await chain.devnet.stop()
    with pytest.raises(FateUnknown, match=f"after height {draft.timeout_height}") as caught:
        await transaction.included(chain.client, signed, draft, clock(40.0))
    assert caught.value.exit_code == 4


async def test_not_taken(chain: TestChain) -> None:
    """CheckTx's no is told in the chain's words, with what to do."""
    draft = await prepared(chain, fee=Coin(1, "uve"), gas=200_000)
    with pytest.raises(Refused, match=r"no effect\): undefined 1: insufficient fee.*increase --fees"):
        await transaction.send(chain.client, transaction.sign(draft, ALICE, chain.client.chain_id))


async def test_sent_twice(chain: TestChain) -> None:
    """The same bytes again are no mistake."""
    signed = transaction.sign(await prepared(chain), ALICE, chain.client.chain_id)
    await transaction.send(chain.client, signed)
    await transaction.send(chain.client, signed)


def test_terms() -> None:
    with pytest.raises(ConfigError) as caught:
        TxTerms(fee=Coin(1, "uve"), price=Price(Decimal(1), "uve"), memo="x" * 257)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("text", ["5", "uve", "-5uve", "5.5uve", "5 uve", "5u", ""])
def test_no_coin(text: str) -> None:
    with pytest.raises(ValueError, match="invalid coin"):
        coins.coin(text)


def test_prices() -> None:
    assert coins.price("0.025uve") == Price(Decimal("0.025"), "uve")
    assert coins.coins("1uve, 2ibc/AB,") == [Coin(1, "uve"), Coin(2, "ibc/AB")]
    with pytest.raises(ValueError, match=r"such as 0\.025uve"):
        coins.price("uve")
