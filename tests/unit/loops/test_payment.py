"""Jobs that are paid for, and others, from the chain to the refusal that their customer reads."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from provider_daemon.chain.proto.cosmos.base.v1beta1.coin_pb2 import Coin
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2
from provider_daemon.chain.proto.virtengine.hpc.v1.tx_pb2 import MsgUpdateOffering
from provider_daemon.devnet.context import ChainRules
from provider_daemon.errors import Transient
from provider_daemon.job.job import Job
from provider_daemon.job.payment import ChainSettlement, PaymentMode, PaymentPolicy
from provider_daemon.job.pricing import Pricing
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State
from provider_daemon.ledger import meta
from provider_daemon.loops.chain_changes import SWEEP_SECONDS
from provider_daemon.loops.chain_settlement import SettlementWatch
from tests.fakes.chain import ALICE, CHAIN_ID, PROVIDER, TestChain, job
from tests.fakes.scheduler import FakeScheduler
from tests.unit.loops.conftest import TENANCY, House

WORST = 14_999  # ten minutes of two cores, 4 GB and a node: 3,333 + 3,333 + 8,333


@pytest_asyncio.fixture
async def promising(tmp_path: Path) -> AsyncIterator[House]:
    """A chain that holds no escrow, as the published one."""
    chain = await TestChain(rules=ChainRules(chain_id=CHAIN_ID, settlement="published")).start()
    await chain.open_shop()
    made = House(chain, FakeScheduler(chain.clock), tmp_path / "ledger.sqlite")
    await made.advance.tick()
    yield made
    made.ledger.close()
    await chain.stop()


async def ordered(house: House, *coins: str, job_id: str = "JOB-1") -> Job:
    """Returns the job as intake stores it. `coins`: amount, space, denom."""
    price = [Coin(amount=amount, denom=denom) for amount, denom in map(str.split, coins)]
    assert (await house.chain.send(ALICE, job(max_price=price))).ok
    await house.intake.tick()
    found = house.ledger.job(job_id)
    assert found is not None
    return found


def requires(house: House, mode: PaymentMode, share: str = "1") -> None:
    house.served["HPC-1"] = replace(TENANCY, payment=PaymentPolicy(mode, share))


async def test_a_paid_job_is_accepted(house: House) -> None:
    """With what it can cost, and what is held for it, in the ledger."""
    found = await ordered(house, "14999 uvirt")
    assert (found.state, found.estimate, found.agreed, found.escrowed) == (
        State.PENDING,
        14_999,
        14_999,
        14_999,
    )
    assert house.ledger.get(meta.SETTLEMENT) is ChainSettlement.ESCROW


@pytest.mark.parametrize(
    ("coins", "missing"),
    [([], "14999uvirt are"), (["14998 uvirt"], "1uvirt are"), (["1000000 uve"], "14999uvirt are")],
)
async def test_an_unpaid_job_is_refused(house: House, coins: list[str], missing: str) -> None:
    """Without a price, with too little, and in another denom; the customer reads what is missing."""
    await ordered(house, "1000000 uvirt")  # the chain holds escrow
    found = await ordered(house, *coins, job_id="JOB-2")
    assert found.state is State.FAILED
    assert found.message.startswith(f"{missing} missing")
    assert "--max-price 14999uvirt" in found.message
    assert found.estimate == 14_999


async def test_the_first_job_of_a_chain_needs_a_price(house: House) -> None:
    """Nothing shows yet what this chain does with one."""
    assert (await ordered(house)).state is State.FAILED
    assert house.ledger.get(meta.SETTLEMENT) is ChainSettlement.UNKNOWN


async def test_the_offerings_prices_and_queue_determine_what_is_needed(house: House) -> None:
    """A core-hour at three times the default rate, and all of it twice."""
    queues = [types_pb2.QueueOption(partition_name="standard", price_multiplier="2")]
    pricing = types_pb2.HPCPricing(cpu_core_hour_price="30000", currency="uvirt")
    changed = MsgUpdateOffering(
        provider_address=PROVIDER.address, offering_id="OFF-1", active=True, supports_custom_workloads=True,
        queue_options=queues, pricing=pricing,
    )  # fmt: skip
    assert (await house.chain.send(PROVIDER, changed)).ok
    found = await ordered(house, "43330 uvirt")
    assert (found.state, found.estimate, found.price_multiplier) == (State.FAILED, 43_331, "2")
    assert (found.pricing, found.repriced) == (Pricing(cpu_core_hour="30000", currency="uvirt"), False)


async def test_a_part_of_the_estimate(house: House) -> None:
    requires(house, PaymentMode.AUTO, "0.5")
    assert (await ordered(house, "7500 uvirt")).state is State.PENDING
    assert (await ordered(house, "7499 uvirt", job_id="JOB-2")).state is State.FAILED


async def test_nothing_is_required(house: House) -> None:
    requires(house, PaymentMode.NONE)
    found = await ordered(house)
    assert (found.state, found.agreed, found.escrowed) == (State.PENDING, 0, 0)


async def test_a_promise_where_the_chain_holds_nothing(promising: House) -> None:
    """It must cover the estimate; what is escrowed is 0."""
    found = await ordered(promising, "14999 uvirt")
    assert (found.state, found.agreed, found.escrowed) == (State.PENDING, 14_999, 0)
    assert (await ordered(promising, "14998 uvirt", job_id="JOB-2")).state is State.FAILED


async def test_escrow_alone_is_accepted(promising: House) -> None:
    """Then every job of a chain without escrow is refused."""
    requires(promising, PaymentMode.ESCROW)
    found = await ordered(promising, "1000000 uvirt")
    assert found.state is State.FAILED
    promising.chain.clock.time += SWEEP_SECONDS
    found = await ordered(promising, "1000000 uvirt", job_id="JOB-2")
    assert "this chain holds no escrow" in found.message


async def test_what_the_chain_does_is_logged_at_the_start(promising: House) -> None:
    """Once, from the records alone: the ledger that it is stored in may be new."""
    await ordered(promising, "1000000 uvirt")
    for _ in range(2):
        promising.restart()
        with capture_logs() as logs:
            await promising.intake.tick()
            promising.chain.clock.time += SWEEP_SECONDS
            await promising.intake.tick()
        said = [entry for entry in logs if entry["event"] == "chain_settles_nothing"]
        assert [(entry["log_level"], entry["why"]) for entry in said] == [
            ("warning", "this chain holds no escrow and pays no bills: customers only promise to pay")
        ]


async def test_a_chain_that_begins_to_settle(promising: House) -> None:
    """The newest record counts, at the next sweep."""
    await ordered(promising, "1000000 uvirt")
    promising.chain.clock.time += SWEEP_SECONDS
    await promising.intake.tick()
    assert promising.ledger.get(meta.SETTLEMENT) is ChainSettlement.PROMISE
    promising.chain.devnet.blocks.rules = replace(promising.chain.rules, settlement="report")
    await ordered(promising, "1000000 uvirt", job_id="JOB-2")
    promising.chain.clock.time += SWEEP_SECONDS
    await promising.intake.tick()
    assert promising.ledger.get(meta.SETTLEMENT) is ChainSettlement.ESCROW
    assert (await ordered(promising, job_id="JOB-3")).state is State.FAILED


async def test_records_without_an_answer_are_read_again(
    promising: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed query is no record without a price: the next sweep asks again, also without a new job."""
    await ordered(promising, "1000000 uvirt")
    with promising.ledger.write():
        promising.ledger.set(meta.SETTLEMENT, ChainSettlement.UNKNOWN)
    asked = promising.chain.client.job

    async def silent(job_id: str) -> ChainJob | None:
        raise Transient("no endpoint answers")

    watch = SettlementWatch(promising.ledger, promising.chain.client)
    monkeypatch.setattr(promising.chain.client, "job", silent)
    await watch.examine(2)
    assert promising.ledger.get(meta.SETTLEMENT) is ChainSettlement.UNKNOWN
    monkeypatch.setattr(promising.chain.client, "job", asked)
    await watch.examine(2)
    assert promising.ledger.get(meta.SETTLEMENT) is ChainSettlement.PROMISE
