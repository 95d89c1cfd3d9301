"""A report that the chain refuses although the job's record would take it: one endpoint may be behind
another."""

from collections.abc import Awaitable, Callable

import pytest

from provider_daemon.chain.broadcast import INDEX_LAG
from provider_daemon.errors import Refused, Unreadable
from provider_daemon.job.hold import Hold
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State
from provider_daemon.loops.job_records import UNANSWERED_SECONDS
from provider_daemon.loops.rejections import PATIENCE
from tests.fakes.chain import ALICE, cancel, job
from tests.unit.loops.conftest import House

Ask = Callable[[str], Awaitable[ChainJob | None]]


async def refused(
    house: House, monkeypatch: pytest.MonkeyPatch, answer: Callable[[ChainJob | None], ChainJob | None]
) -> Ask:
    """JOB-1 is cancelled before its first report lands; its record is answered through `answer` from now
    on."""
    await house.chain.send(ALICE, job(), job())
    await house.intake.tick()
    await house.advance.tick()
    ask: Ask = house.chain.client.job
    old = await ask("JOB-1")
    await house.chain.send(ALICE, cancel())

    async def behind(job_id: str) -> ChainJob | None:
        return answer(old) if job_id == "JOB-1" else await ask(job_id)

    monkeypatch.setattr(house.chain.client, "job", behind)
    await house.report()
    return ask


async def test_a_record_that_is_behind_parks_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report waits, the other job's goes, and the newer record says what became of it."""
    ask = await refused(house, monkeypatch, lambda old: old)
    first = house.ledger.job("JOB-1")
    assert first is not None
    assert not first.parked
    assert await house.state("JOB-2") == "queued"
    monkeypatch.setattr(house.chain.client, "job", ask)
    await house.report()
    assert [row.status for row in house.ledger.messages_of("JOB-1")] == ["dropped"]


async def test_a_contradiction_that_stays_is_an_operators(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After PATIENCE the job is parked with the chain's own words."""
    await refused(house, monkeypatch, lambda old: old)
    house.chain.clock.time += PATIENCE
    await house.outbox.tick()
    parked = house.ledger.job("JOB-1")
    assert parked is not None
    assert parked.parked is not None
    assert parked.parked.reason is ParkReason.REPORT_REFUSED
    assert "invalid job state transition" in parked.parked.detail


async def test_an_unreadable_record_holds_up_nobody_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key's other reports go out while one job's record cannot be read."""

    def unreadable(_: ChainJob | None) -> ChainJob | None:
        raise Unreadable("the record of JOB-1 cannot be read")

    await refused(house, monkeypatch, unreadable)
    assert await house.state("JOB-2") == "queued"
    house.chain.clock.time += UNANSWERED_SECONDS
    await house.outbox.tick()
    held = house.ledger.job("JOB-1")
    assert held is not None
    assert held.hold is Hold.UNREADABLE


async def test_a_refused_report_of_a_job_on_hold_is_dropped(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction was open when the hold began, and has expired since: the report is not refused again at
    every tick, and nothing of the job waits."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    await house.outbox.tick()
    house.chain.forget_mempool()
    await house.chain.send(ALICE, cancel())

    async def unreadable(_: str) -> ChainJob | None:
        raise Unreadable("the record of JOB-1 cannot be read")

    monkeypatch.setattr(house.chain.client, "job", unreadable)
    monkeypatch.setattr(house.chain.client, "glance", unreadable)
    for _ in range(2):
        house.chain.clock.time += UNANSWERED_SECONDS
        await house.intake.tick()
    for _ in range(house.settings.timeout_blocks + INDEX_LAG + 1):
        house.chain.block()
    await house.outbox.tick()
    held = house.ledger.job("JOB-1")
    assert held is not None
    assert (held.hold, held.promised) == (Hold.UNREADABLE, held.reported)
    assert [row.status for row in house.ledger.messages_of("JOB-1")] == ["dropped"]


async def test_an_endpoint_behind_what_was_confirmed_makes_nothing_be_said_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses the last report and shows the job as it was long before: the report waits, and no earlier
    one is written anew."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    old = await house.chain.client.job("JOB-1")
    await house.round()
    house.scheduler.run()
    await house.round()
    house.scheduler.end(State.COMPLETED)

    async def behind(_: str) -> ChainJob | None:
        return old

    async def refuses(_: bytes) -> int:
        raise Refused(
            "message index: 0: cannot transition from pending to completed",
            code=2107,
            codespace="hpc",
            message_index=0,
        )

    with monkeypatch.context() as patched:
        patched.setattr(house.chain.client, "job", behind)
        patched.setattr(house.chain.client, "simulate", refuses)
        await house.round()
    told = [(row.state, row.status) for row in house.ledger.messages_of("JOB-1")]
    assert told == [("queued", "confirmed"), ("running", "confirmed"), ("completed", "waiting")]
    await house.report()
    assert await house.state() == "completed"
