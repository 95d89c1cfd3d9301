"""The daemon's loops over a node that keeps no index of transactions (CometBFT's `indexer = "null"`)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
import structlog

from provider_daemon.chain.broadcast import INDEX_LAG
from provider_daemon.job.state import State
from tests.fakes.chain import ALICE, PROVIDER, TestChain, cancel, job
from tests.fakes.scheduler import FakeScheduler
from tests.unit.loops.conftest import House


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    chain = await TestChain(indexed=False).start()
    await chain.open_shop()
    made = House(chain, FakeScheduler(chain.clock), tmp_path / "ledger.sqlite")
    await made.advance.tick()
    yield made
    made.ledger.close()
    await chain.stop()


async def told(house: House) -> None:
    """Sends what waits and learns what became of it, which takes one block more than with an index."""
    await house.outbox.tick()
    house.chain.block()
    await house.outbox.tick()
    house.chain.block()
    await house.outbox.tick()


async def test_a_job_comes_to_its_end(house: House) -> None:
    """Queued, running, completed: each report is found in its block and confirmed by the job's record, over
    restarts."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await told(house)
    house.scheduler.run()
    await house.advance.tick()
    await house.outbox.tick()
    house.chain.block()
    house.restart()
    house.chain.block()
    await house.outbox.tick()
    house.scheduler.end(State.COMPLETED)
    await house.advance.tick()
    await told(house)
    assert await house.state() == "completed"
    assert {row.status for row in house.ledger.last_txs(10)} == {"included"}


async def test_a_report_that_the_block_refused(house: House) -> None:
    """The transaction is in a block, but the cancelled job's record shows no report: all of it failed, and
    the other report goes again."""
    await house.chain.send(ALICE, job(), job())
    await house.intake.tick()
    await house.advance.tick()
    assert (await house.chain.check(ALICE, cancel())).ok
    await told(house)
    await told(house)
    assert await house.state("JOB-2") == "queued"
    assert await house.state("JOB-1") == "cancelled"
    assert [row.status for row in house.ledger.last_txs(10)] == ["included", "failed"]


async def test_a_foreign_transaction_is_not_blamed(house: House) -> None:
    """Who used the sequence is not known without an index, so nobody is accused; the report goes with the
    next transaction."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await house.outbox.tick()
    opened = house.ledger.open_tx(PROVIDER.address)
    assert opened is not None
    house.chain.forget_mempool()
    for _ in range(house.settings.timeout_blocks + INDEX_LAG + 2):
        house.chain.block()
    with structlog.testing.capture_logs() as lines:
        await house.outbox.tick()
        await told(house)
    assert "foreign_tx" not in [line["event"] for line in lines]
    assert await house.state() == "queued"


async def test_a_cancel_is_seen(house: House) -> None:
    """Without a search for cancels every open job is read again."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await told(house)
    await house.chain.send(ALICE, cancel())
    await house.intake.tick()
    await house.advance.tick()
    assert house.scheduler.cancelled == ["1"]
