"""An endpoint that invents a job, or alters one: what it says of that job harms nobody else, and no report is
false."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
import structlog

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job.hold import Hold
from provider_daemon.job.job import Job
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State
from provider_daemon.loops.chain_changes import SWEEP_SECONDS
from provider_daemon.loops.job_records import DISOWN_SECONDS, UNANSWERED_SECONDS
from tests.fakes.chain import ALICE, BOB, PROVIDER, job
from tests.unit.loops.conftest import House

Lie = Callable[[str, ChainJob | None], ChainJob | None]


class Liar:
    """Between the loops and the chain: `lie` sees each true record, `counter` is added to the true one."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lie: Lie = lambda job_id, record: record
        self.counter = 0
        client = house.chain.client
        ask, count = client.job, client.job_counter

        async def job(job_id: str) -> ChainJob | None:
            return self.lie(job_id, await ask(job_id))

        async def counter() -> int:
            return self.counter + await count()

        monkeypatch.setattr(client, "job", job)
        monkeypatch.setattr(client, "glance", job)
        monkeypatch.setattr(client, "job_counter", counter)

    def truth(self) -> None:
        self.lie, self.counter = lambda job_id, record: record, 0


@pytest.fixture
def liar(house: House, monkeypatch: pytest.MonkeyPatch) -> Liar:
    return Liar(house, monkeypatch)


def altered(record: ChainJob) -> ChainJob:
    """Another customer's program under the same number."""
    spec = replace(record.spec, customer=BOB.address, created_ns=record.spec.created_ns + 1, digest="f" * 64)
    return replace(record, spec=spec)


def known(house: House, job_id: str = "JOB-1") -> Job:
    found = house.ledger.job(job_id)
    assert found is not None
    return found


async def sweeps(house: House, count: int) -> None:
    for _ in range(count):
        house.chain.clock.time += SWEEP_SECONDS
        await house.intake.tick()
        await house.advance.tick()


async def test_no_report_goes_without_its_record(house: House, liar: Liar) -> None:
    """JOB-1 is queued; the chain's JOB-1 is somebody else's: the report is not sent, and the other job's
    goes."""
    await house.chain.send(ALICE, job(), job())
    await house.intake.tick()
    await house.advance.tick()
    liar.lie = lambda job_id, record: altered(record) if record and job_id == "JOB-1" else record
    await house.report()
    liar.truth()
    assert (await house.state("JOB-1"), await house.state("JOB-2")) == ("pending", "queued")
    assert known(house).hold is Hold.OTHER_RECORD


async def test_the_truth_ends_a_hold(house: House, liar: Liar) -> None:
    """One lie costs nothing: at the next tick the record agrees again, and the report goes with the one
    after."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    liar.lie = lambda job_id, record: altered(record) if record else None
    with structlog.testing.capture_logs() as logs:
        await house.outbox.tick()
        await house.outbox.tick()
    assert [line["event"] for line in logs] == ["job_on_hold"]
    liar.truth()
    await house.intake.tick()
    await house.round()
    assert await house.state() == "queued"
    assert [row.what for row in house.ledger.events_of("JOB-1")][-4:] == [
        "on_hold",
        "hold_ended",
        "report_stored",
        "report_confirmed",
    ]


async def test_each_report_is_compared_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Just before it is sent: one that cannot be sent yet asks for no record at any tick."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    asked: list[str] = []
    ask = house.chain.client.job

    async def counted(job_id: str) -> ChainJob | None:
        asked.append(job_id)
        return await ask(job_id)

    monkeypatch.setattr(house.chain.client, "job", counted)
    house.outbox.reconfigure(replace(house.settings, max_fee=1))
    for _ in range(3):
        await house.outbox.tick()
    assert asked == []
    house.outbox.reconfigure(house.settings)
    await house.outbox.tick()
    assert asked == ["JOB-1"]


async def test_a_report_that_waited_is_compared_again(house: House, liar: Liar) -> None:
    """It agreed with an invented record and could not be sent; by the time it can, the number is an honest
    customer's."""
    await house.chain.send(ALICE, job())
    await house.round()
    template = await house.chain.client.job("JOB-1")
    assert template is not None
    invented = replace(template, state=State.PENDING, spec=replace(altered(template).spec, job_id="JOB-2"))
    liar.counter, liar.lie = 1, lambda job_id, record: invented if job_id == "JOB-2" else record
    await house.round()
    house.scheduler.run()
    house.scheduler.end(State.COMPLETED)
    await house.round()
    liar.truth()
    await house.chain.send(ALICE, job())
    for _ in range(3):
        await house.report()
    assert await house.state("JOB-2") == "pending"


async def test_an_invented_job_is_ended(house: House, liar: Liar) -> None:
    """It has no record once the truth is told: its program is ended after two minutes, and nothing was
    reported."""
    await house.chain.send(ALICE, job())
    await house.round()
    template = await house.chain.client.job("JOB-1")
    assert template is not None
    invented = replace(altered(template), state=State.PENDING)
    invented = replace(invented, spec=replace(invented.spec, job_id="JOB-2"))
    liar.counter, liar.lie = 1, lambda job_id, record: invented if job_id == "JOB-2" else record
    await house.round()
    name = known(house, "JOB-2").name
    assert name in {order.name for order in house.scheduler.orders}
    liar.truth()
    for _ in range((UNANSWERED_SECONDS + DISOWN_SECONDS) // SWEEP_SECONDS + 2):
        house.chain.clock.time += SWEEP_SECONDS
        with suppress(Transient):  # the counter is lower than the invented one
            await house.intake.tick()
        await house.advance.tick()
        await house.report()
    assert known(house, "JOB-2").disowned
    assert known(house, "JOB-2").hold is Hold.NOT_ON_CHAIN
    assert known(house, "JOB-1").hold is None
    assert known(house, "JOB-2").slurm_id in house.scheduler.cancelled


async def test_the_honest_job_under_an_invented_number(house: House, liar: Liar) -> None:
    """The customer who gets that number has his own program run, and his own result reported; what was
    invented stays as a record."""
    await house.chain.send(ALICE, job())
    await house.round()
    template = await house.chain.client.job("JOB-1")
    assert template is not None
    invented = replace(template, state=State.PENDING, spec=replace(altered(template).spec, job_id="JOB-2"))
    liar.counter, liar.lie = 1, lambda job_id, record: invented if job_id == "JOB-2" else record
    await house.round()
    old = known(house, "JOB-2").name
    liar.truth()
    await house.chain.send(ALICE, job(max_runtime_seconds=700))
    await sweeps(house, DISOWN_SECONDS // SWEEP_SECONDS + 2)
    await sweeps(house, 3)
    new = known(house, "JOB-2")
    assert (new.spec.customer, new.spec.max_runtime_seconds) == (ALICE.address, 700)
    assert new.name != old
    assert new.name in {order.name for order in house.scheduler.orders}
    await house.round()
    assert await house.state("JOB-2") == "queued"
    kept = house.ledger.dropped_job("JOB-2@1")
    assert kept is not None
    assert kept.spec.customer == BOB.address
    assert {row.what for row in house.ledger.events_of("JOB-2@1")} >= {"adopted", "on_hold", "disowned"}


async def test_an_absent_record_waits_for_the_node(house: House, liar: Liar) -> None:
    """A node that lags for a few blocks: no hold, and the report goes as soon as the record is there."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    await house.advance.tick()
    liar.lie = lambda job_id, record: None
    await house.outbox.tick()
    assert known(house).hold is None
    liar.truth()
    await house.report()
    assert await house.state() == "queued"


async def test_no_job_is_submitted_while_its_record_cannot_be_read(house: House, liar: Liar) -> None:
    """The record may be another job's by now: a job without a SLURM job waits from the first such answer."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()

    def unreadable(job_id: str, record: ChainJob | None) -> ChainJob | None:
        raise Unreadable("HPCJob.state: unknown word")

    liar.lie = unreadable
    await sweeps(house, 1)
    assert (known(house).hold, house.scheduler.orders) == (Hold.UNREADABLE, [])
    liar.truth()
    await house.round()
    await house.round()
    assert known(house).hold is None
    assert [order.name for order in house.scheduler.orders] == [known(house).name]


async def test_an_unreadable_record_holds_its_job_alone(house: House, liar: Liar) -> None:
    """Its SLURM job runs on and nothing is reported, until the record can be read again."""
    await house.chain.send(ALICE, job(), job())
    await house.round()

    def unreadable(job_id: str, record: ChainJob | None) -> ChainJob | None:
        if job_id == "JOB-1":
            raise Unreadable("HPCJob.state: unknown word")
        return record

    liar.lie = unreadable
    house.scheduler.run()
    await house.advance.tick()
    for _ in range(3):
        house.chain.clock.time += SWEEP_SECONDS
        await house.round()
    assert (known(house).hold, known(house).disowned) == (Hold.UNREADABLE, False)
    liar.truth()
    assert (await house.state("JOB-1"), await house.state("JOB-2")) == ("queued", "running")
    await sweeps(house, 1)
    await house.round()
    assert await house.state("JOB-1") == "running"


async def test_a_job_of_an_older_ledger_gets_its_digest(house: House) -> None:
    """It is compared by what is kept of it, and from then on by the digest."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    before = known(house)
    with house.ledger.write():
        house.ledger.save_job(replace(before, spec=replace(before.spec, digest="")))
    await house.advance.tick()
    await house.report()
    assert await house.state() == "queued"
    assert known(house).spec.digest == before.spec.digest
    assert before.spec.provider == PROVIDER.address
