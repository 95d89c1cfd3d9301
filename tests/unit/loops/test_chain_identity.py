"""A chain that began anew under the same id, and has come as far as the old one: its jobs are other
people's."""

from dataclasses import replace

import pytest

from provider_daemon.errors import Refused, Unreadable
from provider_daemon.job.hold import Hold
from provider_daemon.job.spec import ChainJob
from provider_daemon.loops import chain_identity
from provider_daemon.loops.chain_changes import SWEEP_SECONDS
from tests.fakes.chain import ALICE, BOB, TestChain, job
from tests.unit.loops.conftest import House

JOBS = chain_identity.ENOUGH


async def reborn_with(house: House, jobs: int) -> TestChain:
    """So many jobs were queued when the chain was thrown away; by the daemon's next start the new chain has
    one more of its own."""
    await house.chain.send(ALICE, *(job() for _ in range(jobs)))
    await house.intake.tick()
    await house.advance.tick()
    new = await TestChain(clock=house.chain.clock).start()
    await new.open_shop()
    await new.send(ALICE, *(job() for _ in range(jobs + 1)))
    old, house.chain = house.chain, new
    house.restart()
    return old


async def test_nothing_is_taken_from_it_or_said_to_it(house: House) -> None:
    """Its newest job is not run, and no report that waits for an old job settles a new one; both loops say
    why."""
    old = await reborn_with(house, JOBS)
    for tick in (house.intake.tick, house.outbox.tick, house.intake.tick):
        with pytest.raises(Refused, match=r"JOB-1, JOB-2, JOB-3 are not those .* needs its own ledger"):
            await tick()
    assert house.ledger.job(f"JOB-{JOBS + 1}") is None
    assert await house.state("JOB-1") == "pending"
    assert all(known.hold is None for known in house.ledger.open_jobs("HPC-1"))
    await house.chain.stop()
    house.chain = old


async def test_the_right_chain_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint was wrong, and is replaced: the next sweep continues."""
    old = await reborn_with(house, JOBS)
    with pytest.raises(Refused):
        await house.intake.tick()
    new, house.chain = house.chain, old
    house.restart()
    await house.intake.tick()
    await house.report()
    assert await house.state("JOB-1") == "queued"
    await new.stop()


async def test_one_contradicting_job_stops_no_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is on hold alone: the others are reported, and new jobs are taken."""
    await house.chain.send(ALICE, *(job() for _ in range(JOBS)))
    await house.intake.tick()
    await house.advance.tick()
    ask = house.chain.client.job

    async def altered(job_id: str) -> ChainJob | None:
        record = await ask(job_id)
        changed = record and replace(record, spec=replace(record.spec, customer=BOB.address))
        return changed if job_id == f"JOB-{JOBS}" else record

    for call in ("job", "glance"):
        monkeypatch.setattr(house.chain.client, call, altered)
    await house.chain.send(ALICE, job())
    house.chain.clock.time += SWEEP_SECONDS
    await house.round()
    assert [await house.state(f"JOB-{number}") for number in range(1, JOBS + 2)] == [
        "queued",
        "queued",
        "pending",
        "queued",
    ]


async def test_a_young_ledger(house: House) -> None:
    """One job cannot tell an invented record from another chain: it alone is on hold, and is not reported to
    the other."""
    old = await reborn_with(house, 1)
    await house.intake.tick()
    await house.report()
    known = house.ledger.job("JOB-1")
    assert known is not None
    assert known.hold is Hold.OTHER_RECORD
    assert await house.state("JOB-1") == "pending"
    await house.chain.stop()
    house.chain = old


@pytest.mark.parametrize("answer", [None, Unreadable("the record of JOB-1 cannot be read")])
async def test_an_answer_that_proves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, answer: Unreadable | None
) -> None:
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
