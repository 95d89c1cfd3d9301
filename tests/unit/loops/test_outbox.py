"""The outbox: what becomes of transactions that expire, fail, are overtaken or forgotten."""

from dataclasses import replace
from decimal import Decimal

import pytest
import structlog

from provider_daemon.chain.broadcast import INDEX_LAG
from provider_daemon.chain.proto.virtengine.hpc.v1 import types_pb2 as t
from provider_daemon.devnet import bank
from provider_daemon.job.parking import ParkReason
from provider_daemon.loops.outbox import OutboxSettings
from tests.fakes.chain import ALICE, PROVIDER, cancel, job, report
from tests.unit.loops.conftest import House


async def test_cancel_overtakes_a_report(house: House) -> None:
    """A report that the chain no longer takes is dropped, and the rest of its transaction goes on."""
    await house.chain.send(ALICE, job(), job())
    await house.intake.tick()
    await house.advance.tick()
    await house.chain.send(ALICE, cancel())
    await house.report()
    assert await house.state("JOB-2") == "queued"
    assert [row.status for row in house.ledger.messages_of("JOB-1")] == ["dropped"]
    await house.round()
    assert house.scheduler.cancelled == ["1"]


async def test_cancel_between_simulation_and_block(house: House) -> None:
    """A message that fails in the block is found by its index; the other job's report lands with the next
    transaction."""
    await house.chain.send(ALICE, job(), job())
    await house.intake.tick()
    await house.advance.tick()
    assert (await house.chain.check(ALICE, cancel())).ok
    await house.outbox.tick()
    house.chain.block()
    with structlog.testing.capture_logs() as said:
        await house.outbox.tick()
    assert "foreign_tx" not in [line["event"] for line in said]
    await house.report()
    assert await house.state("JOB-2") == "queued"
    assert [row.status for row in house.ledger.last_txs(10)] == ["included", "failed"]


async def test_many_jobs_share_a_transaction(house: House) -> None:
    """Sixty reports are one transaction."""
    for _ in range(6):
        assert (
            await house.chain.send(ALICE, *(job() for _ in range(10)), gas_limit=20_000_000, fee=500_000)
        ).ok
    await house.round()
    (tx,) = house.ledger.last_txs(10)
    assert (tx.status, tx.messages) == ("included", 60)


async def test_foreign_report_does_no_harm(house: House) -> None:
    """Somebody else with the provider's key reports first: ours is dropped as already true, and the sequence
    is taken anew."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await house.chain.send(PROVIDER, report("queued"))
    await house.report()
    house.scheduler.run()
    await house.round()
    assert await house.state() == "running"


async def test_expired_transaction_is_made_anew(house: House) -> None:
    """A transaction that a restarted node forgot is given up after its timeout height, and its reports land
    with the next one."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await house.outbox.tick()
    opened = house.ledger.open_tx(PROVIDER.address)
    assert opened is not None
    house.chain.forget_mempool()
    for _ in range(house.settings.timeout_blocks + INDEX_LAG + 1):
        house.chain.block()
    await house.outbox.tick()
    assert [row.status for row in house.ledger.last_txs(10)] == ["open", "expired"]
    house.chain.block()
    await house.outbox.tick()
    assert await house.state() == "queued"


async def test_no_transaction_is_given_up_while_an_endpoint_may_be_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Included at the last moment, and asked of an endpoint that does not have that block yet: it stays open
    until it is found."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await house.outbox.tick()

    async def behind(*_: object) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(house.chain.client, "find", behind)
        patch.setattr(house.chain.client, "find_by_sequence", behind)
        for _ in range(house.settings.timeout_blocks + INDEX_LAG - 1):
            house.chain.block()
        await house.outbox.tick()
    await house.outbox.tick()
    assert [row.status for row in house.ledger.last_txs(10)] == ["included"]
    assert await house.state() == "queued"


async def test_same_bytes_are_sent_again(house: House) -> None:
    """Killed after storing and before sending: the stored bytes go out at the next start."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await house.outbox.tick()
    house.chain.forget_mempool()
    house.restart()
    await house.report()
    assert await house.state() == "queued"
    assert [row.status for row in house.ledger.last_txs(10)] == ["included"]


async def test_heartbeat_replaced_while_its_transaction_is_drafted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger never says that a transaction holds what it does not: a report stored meanwhile is sent, not
    taken for sent."""
    await house.heartbeat.tick()
    simulate = house.chain.client.simulate

    async def slow(tx_bytes: bytes) -> int:
        monkeypatch.undo()
        gas = await simulate(tx_bytes)
        await house.chain.send(ALICE, job())
        await house.intake.tick()
        await house.heartbeat.tick()
        await house.advance.tick()
        return gas

    monkeypatch.setattr(house.chain.client, "simulate", slow)
    await house.outbox.tick()
    assert house.ledger.open_tx(PROVIDER.address) is None
    await house.report()
    assert await house.state() == "queued"


async def test_an_empty_wallet_is_told_once(house: House) -> None:
    """While the account cannot pay, reports wait and one line says so; funded again, they go by
    themselves."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    held = await house.chain.client.balance(PROVIDER.address, "uve")
    state = house.chain.devnet.blocks.state
    bank.move(state, PROVIDER.address, ALICE.address, "uve", held)
    with structlog.testing.capture_logs() as said:
        for _ in range(3):
            await house.report()
        assert [line["event"] for line in said] == ["wallet_empty"]
        bank.move(state, ALICE.address, PROVIDER.address, "uve", held)
        await house.report()
    assert [line["event"] for line in said] == ["wallet_empty", "tx_accepted_again", "tx_included"]
    assert await house.state() == "queued"


async def test_no_price_empties_the_account(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A price over our ceiling gets nothing signed; nothing is parked, and the reports go once it is back."""
    await house.chain.send(ALICE, job(), job())
    await house.intake.tick()
    await house.advance.tick()

    async def dear(_: str) -> Decimal:
        return Decimal("1000")

    with monkeypatch.context() as patch:
        patch.setattr(house.chain.client, "gas_price", dear)
        with structlog.testing.capture_logs() as logs:
            await house.outbox.tick()
    assert house.ledger.last_txs(10) == []
    assert [line["event"] for line in logs] == ["gas_price_over_ceiling"]
    assert "chain.max_gas_price" in logs[0]["why"]
    assert "gas_price_over_ceiling" in house.outbox.stalled(house.chain.clock.now())
    await house.report()
    assert await house.state() == await house.state("JOB-2") == "queued"


async def test_a_high_price_makes_smaller_transactions(house: House) -> None:
    """What is too dear as a whole goes in parts, each within the ceiling."""
    house.outbox.reconfigure(OutboxSettings(max_fee=3_000))
    await house.chain.send(ALICE, *(job() for _ in range(4)))
    await house.intake.tick()
    await house.advance.tick()
    for _ in range(4):
        await house.report()
    assert {await house.state(f"JOB-{number}") for number in range(1, 5)} == {"queued"}
    fees = [row.fee for row in house.ledger.last_txs(10)]
    assert len(fees) > 1
    assert max(fees) <= 3_000


def of_size(size: int) -> t.JobWorkloadSpec:
    return t.JobWorkloadSpec(container_image="alpine:3", command="true", arguments=["x" * size])


@pytest.mark.parametrize(("size", "refused_by"), [(10, []), (10_000, ["tx_not_accepted"])])
async def test_a_chain_with_a_low_ceiling_on_gas(house: House, size: int, refused_by: list[str]) -> None:
    """chain.max_gas is above what a block takes (sdk 41): whether the simulation or the mempool says so,
    smaller transactions carry all."""
    for _ in range(3):
        assert (
            await house.chain.send(
                ALICE,
                *(job(workload_spec=of_size(size)) for _ in range(10)),
                gas_limit=4 * 10**7,
                fee=1_000_000,
            )
        ).ok
    house.chain.devnet.blocks.rules = replace(
        house.chain.devnet.blocks.rules, max_gas=1_200_000 if size == 10 else 3_100_000
    )
    house.chain.forget_mempool()
    await house.intake.tick()
    await house.advance.tick()
    with structlog.testing.capture_logs() as said:
        for _ in range(10):
            await house.report()
    assert [line["event"] for line in said if line["event"] != "tx_included"] == [
        "max_gas_lowered",
        *refused_by,
    ]
    assert [await house.state(f"JOB-{number}") for number in (1, 30)] == ["queued", "queued"]


async def test_a_report_too_large_for_any_block(house: House) -> None:
    """It is parked, and holds up nobody else."""
    heavy = job(workload_spec=of_size(30_000))
    assert (await house.chain.send(ALICE, heavy, job(), gas_limit=20_000_000, fee=500_000)).ok
    house.chain.devnet.blocks.rules = replace(house.chain.devnet.blocks.rules, max_gas=500_000)
    house.chain.forget_mempool()
    await house.intake.tick()
    await house.advance.tick()
    for _ in range(3):
        await house.report()
    parked = house.ledger.job("JOB-1")
    assert parked is not None
    assert parked.parked is not None
    assert parked.parked.reason is ParkReason.REPORT_TOO_LARGE
    assert "500000" in parked.parked.detail
    assert await house.state("JOB-2") == "queued"
