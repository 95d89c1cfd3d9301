"""A chain that began anew under the same id, and has come as far as the old one: its jobs are other people's."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from provider_daemon.errors import Refused, Unreadable
from provider_daemon.job.spec import ChainJob
from provider_daemon.loops.intake import SWEEP_SECONDS
from tests.fakes.chain import ALICE, TestChain, job
from tests.unit.loops.conftest import House


@pytest_asyncio.fixture
async def reborn(house: House) -> AsyncIterator[House]:
    """JOB-1 was queued when the chain was thrown away; by the daemon's next start the new chain has a JOB-1 and a JOB-2."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    new = await TestChain(clock=house.chain.clock).start()
    await new.open_shop()
    await new.send(ALICE, job(), job())
    old, house.chain = house.chain, new
    house.restart()
    yield house
    house.chain = old
    await new.stop()


async def test_nothing_is_taken_from_it_or_said_to_it(reborn: House) -> None:
    """Its JOB-2 is not run, and the report that waits for the old JOB-1 does not settle the new one; both loops say why."""
    for tick in (reborn.intake.tick, reborn.outbox.tick, reborn.intake.tick):
        with pytest.raises(Refused, match=r"JOB-1 was made at another moment .* needs a ledger of its own"):
            await tick()
    assert reborn.ledger.job("JOB-2") is None
    assert await reborn.state("JOB-1") == "pending"


async def test_the_right_chain_again(reborn: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint was wrong, and is mended: the next sweep goes on."""
    known = reborn.ledger.job("JOB-1")
    assert known is not None
    with pytest.raises(Refused):
        await reborn.intake.tick()
    ask = reborn.chain.client.job

    async def right(job_id: str) -> ChainJob | None:
        record = await ask(job_id)
        return replace(record, spec=known.spec) if record and job_id == "JOB-1" else record

    monkeypatch.setattr(reborn.chain.client, "job", right)
    reborn.chain.clock.time += SWEEP_SECONDS
    await reborn.intake.tick()
    await reborn.report()
    assert await reborn.state("JOB-1") == "queued"


@pytest.mark.parametrize("answer", [None, Unreadable("the record of JOB-1 cannot be read")])
async def test_an_answer_that_proves_nothing(house: House, monkeypatch: pytest.MonkeyPatch, answer: Unreadable | None) -> None:
    """A node that lags, or one bad record, stops nobody."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    ask = house.chain.client.job

    async def bad(job_id: str) -> ChainJob | None:
        if job_id != "JOB-1":
            return await ask(job_id)
        if answer:
            raise answer
        return None

    monkeypatch.setattr(house.chain.client, "job", bad)
    await house.chain.send(ALICE, job())
    house.chain.clock.time += SWEEP_SECONDS
    await house.intake.tick()
    assert house.ledger.job("JOB-2") is not None
