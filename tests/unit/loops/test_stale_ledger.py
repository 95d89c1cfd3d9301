"""A ledger that is new, or was put back from a copy, knows less than was done: it looks before it acts, and
nothing is done twice."""

import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from provider_daemon.errors import Transient
from provider_daemon.job.lifecycle import WAITING_WINDOW, doubt
from provider_daemon.job.snapshot import Snapshot
from provider_daemon.job.state import State
from provider_daemon.ledger import file, listing
from provider_daemon.loops.chain_changes import SWEEP_SECONDS
from provider_daemon.loops.stale_ledger import GAP_SECONDS, StaleLedger
from provider_daemon.loops.start import start
from provider_daemon.ports import Head, Submission, SubmissionResult, Watch
from tests.fakes.chain import ALICE, PROVIDER, cancel, job
from tests.unit.job.jobs import JOB
from tests.unit.loops.conftest import House

Lose = Callable[[House, Path], None]


def plain_copy(house: House, target: Path) -> None:
    """As a file system's snapshot takes it: every byte, signs of life too."""
    with closing(sqlite3.connect(house.path)) as source, closing(sqlite3.connect(target)) as copied:
        source.backup(copied)


def backup(house: House, target: Path) -> None:
    with closing(file.connect(house.path, readonly=True)) as source:
        file.copy(source, target)


def put_back(house: House, copied: Path) -> None:
    house.lose_ledger()
    shutil.copy(copied, house.path)
    house.open()


def sbatch_under_way(house: House, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Awaitable[None]]:
    """The next submission has not arrived when its daemon dies; awaiting the result lets it arrive."""
    waiting: list[Submission] = []
    real = house.scheduler.submit

    async def submit(orders: Sequence[Submission]) -> tuple[SubmissionResult, ...]:
        waiting.extend(orders)
        monkeypatch.undo()
        raise Transient("the connection is down")

    async def arrive() -> None:
        await real(waiting)

    monkeypatch.setattr(house.scheduler, "submit", submit)
    return arrive


async def test_lost_ledger_with_an_sbatch_under_way(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new ledger at once in the place of the lost one: the sbatch of the old daemon's last moment arrives,
    and stays the only one."""
    await house.chain.send(ALICE, job())
    arrive = sbatch_under_way(house, monkeypatch)
    await house.round()
    house.lose_ledger()
    house.open()
    await house.round()
    house.chain.clock.time += WAITING_WINDOW / 2
    await house.round()
    await arrive()
    house.chain.clock.time += WAITING_WINDOW
    await house.round()
    assert [order.name for order in house.scheduler.orders] == [
        job.name for _, job in listing.jobs(house.ledger)
    ]
    assert await house.state() == "queued"


@pytest.mark.parametrize("forged", ["", "/root"])
async def test_a_lost_ledger_finds_the_directory_of_a_job(house: House, forged: str) -> None:
    """So that its results can be fetched and deleted. One that provd does not name is not used."""
    await house.chain.send(ALICE, job())
    await house.round()
    house.lose_ledger()
    house.open()
    (order,) = house.scheduler.orders
    if forged:
        found = house.scheduler.jobs[order.name]
        house.scheduler.jobs[order.name] = [replace(seen, directory=forged) for seen in found]
    for _ in range(3):
        await house.round()
    ((_, adopted),) = listing.jobs(house.ledger)
    assert (adopted.slurm_id, adopted.directory) == ("1", "" if forged else order.directory)


async def test_each_look_after_a_lost_ledger_searches_renamed_jobs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one too: a job that was adopted late is decided on at once, and may be one that renamed
    itself."""
    asked: list[Watch] = []
    real = house.scheduler.snapshot

    async def snapshot(wanted: Watch) -> Snapshot:
        asked.append(wanted)
        return await real(wanted)

    await house.chain.send(ALICE, job())
    house.lose_ledger()
    house.open()
    monkeypatch.setattr(house.scheduler, "snapshot", snapshot)
    await house.round()
    (adopted,) = [job for _, job in listing.jobs(house.ledger)]
    assert [look.intents for look in asked] == [frozenset({adopted.name})] * len(asked) != []


@pytest.mark.parametrize(("take", "age"), [(backup, 0.0), (plain_copy, GAP_SECONDS)])
@pytest.mark.parametrize("adopted", [True, False])
async def test_a_copy_put_back_with_an_sbatch_under_way(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, take: Lose, age: float, adopted: bool
) -> None:
    """A job that the copy holds as never submitted, or not at all, is waited for, and submitted only once if
    nothing arrives.

    A copy of `provd ledger backup` is known as one at once, any other when it is older than the gap.
    """
    if adopted:
        await house.chain.send(ALICE, job(), job())
        await house.intake.tick()
    take(house, tmp_path / "copy")
    house.chain.clock.time += age
    if not adopted:
        await house.chain.send(ALICE, job(), job())
    arrive = sbatch_under_way(house, monkeypatch)
    await house.intake.tick()
    await house.advance.tick()
    put_back(house, tmp_path / "copy")
    await house.round()
    assert house.scheduler.orders == []
    await arrive()
    house.scheduler.jobs = dict(list(house.scheduler.jobs.items())[:1])  # the other one never came to be
    house.chain.clock.time += WAITING_WINDOW
    await house.round()
    assert len(house.scheduler.orders) == 3
    assert [await house.state(job_id) for job_id in ("JOB-1", "JOB-2")] == ["queued", "queued"]
    assert [opened.attempt for opened in house.ledger.open_jobs("HPC-1")] == [0, 1]


async def test_a_copy_asks_the_chain_before_it_submits(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The job is long over and purged from SLURM: while the chain is silent the old copy submits nothing, and
    then it knows better."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    backup(house, tmp_path / "copy")
    await house.round()
    house.scheduler.run()
    house.scheduler.end(State.COMPLETED)
    await house.round()
    house.scheduler.jobs.clear()
    put_back(house, tmp_path / "copy")

    async def silent() -> None:
        raise Transient("no endpoint is healthy")

    with monkeypatch.context() as patch:
        patch.setattr(house.chain.client, "head", silent)
        for _ in range(3):
            with pytest.raises(Transient):
                await house.intake.tick()
            await house.advance.tick()
            house.chain.clock.time += WAITING_WINDOW
    await house.round()
    await house.round()
    assert len(house.scheduler.orders) == 1
    assert house.ledger.open_jobs("HPC-1") == []


async def test_a_copy_says_again_what_was_said(house: House, tmp_path: Path) -> None:
    """Reports and an open transaction of the copy that the chain has long had: found or refused, dropped, and
    nothing is paid twice."""
    await house.chain.send(ALICE, job(), job(), job())
    await house.intake.tick()
    await house.advance.tick()
    await house.outbox.tick()
    house.scheduler.run()
    await house.advance.tick()
    backup(house, tmp_path / "copy")  # `queued` in the open transaction, `running` waits
    await house.report()
    await house.round()
    house.scheduler.end(State.COMPLETED)
    await house.round()
    await house.round()
    paid = await house.chain.client.balance(ALICE.address, "uvirt")
    put_back(house, tmp_path / "copy")
    for _ in range(8):
        await house.round()
        house.chain.clock.time += SWEEP_SECONDS
    assert len(house.scheduler.orders) == 3
    assert [await house.state(f"JOB-{number}") for number in (1, 2, 3)] == ["completed"] * 3
    assert await house.chain.client.balance(ALICE.address, "uvirt") == paid
    assert house.ledger.open_jobs("HPC-1") == []
    assert house.ledger.waiting_messages(PROVIDER.address) == []


async def test_a_lagging_endpoint_makes_no_job_new(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old daemon saw the job through a node that was a block ahead: to the one that tells of it later it
    is no new job."""
    await house.chain.send(ALICE, job())
    arrive = sbatch_under_way(house, monkeypatch)
    await house.round()
    house.lose_ledger()
    house.open()
    head = await house.chain.client.head()

    async def behind() -> Head:
        return Head(head.height - 1, head.time - 5)

    async def no_job() -> int:
        return 1

    await house.advance.tick()
    with monkeypatch.context() as patch:
        patch.setattr(house.chain.client, "head", behind)
        patch.setattr(house.chain.client, "job_counter", no_job)
        await house.intake.tick()
    await house.round()
    assert house.scheduler.orders == []
    await arrive()
    house.chain.clock.time += WAITING_WINDOW
    await house.round()
    assert len(house.scheduler.orders) == 1


async def test_a_copy_learns_of_a_cancel(house: House, tmp_path: Path) -> None:
    """Cancelled by its customer after the copy was taken: the SLURM job is found by name and ended."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    backup(house, tmp_path / "copy")
    await house.round()
    house.scheduler.run()
    await house.chain.send(ALICE, cancel())
    put_back(house, tmp_path / "copy")
    await house.round()
    assert house.scheduler.cancelled == ["1"]


async def test_a_copy_under_a_clock_that_is_behind(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Until the chain's clock was read, no job is newer than the doubt: what is on its way to SLURM is waited
    for, and ended."""
    clock = house.chain.clock
    start(house.ledger, ["HPC-1"], clock.time, clock.time)
    backup(house, tmp_path / "copy")
    await house.chain.send(ALICE, job())
    arrive = sbatch_under_way(house, monkeypatch)
    await house.intake.tick()
    await house.advance.tick()
    await house.chain.send(ALICE, cancel())
    put_back(house, tmp_path / "copy")

    async def silent() -> None:
        raise Transient("no endpoint is healthy")

    day = 86_400
    with monkeypatch.context() as patch:
        patch.setattr(house.chain.client, "head", silent)
        clock.time -= day
        start(house.ledger, ["HPC-1"], clock.time - day, clock.time)
        with pytest.raises(Transient):
            await house.intake.tick()
        await house.advance.tick()
        clock.time += day
    await arrive()
    house.scheduler.run()
    await house.round()
    assert house.scheduler.cancelled == ["1"]


async def test_a_restart_waits_for_nothing(house: House) -> None:
    """The ledger is as it was left a moment ago: what was not submitted yet goes at once."""
    await house.chain.send(ALICE, job())
    await house.intake.tick()
    house.restart()
    house.chain.clock.time += GAP_SECONDS / 2
    await house.round()
    assert len(house.scheduler.orders) == 1


async def test_later_jobs_go_at_once(house: House) -> None:
    """A job that came to the chain after this ledger began was submitted by nobody else, whatever the ones
    before it wait for."""
    await house.chain.send(ALICE, job())
    house.lose_ledger()
    house.open()
    house.chain.clock.time += 1
    await house.round()
    await house.chain.send(ALICE, job())
    await house.round()
    assert [await house.state(job_id) for job_id in ("JOB-1", "JOB-2")] == ["pending", "queued"]


async def test_kills_do_not_put_it_off(house: House) -> None:
    """Killed more often than the window is long: the window counts from the first start."""
    await house.chain.send(ALICE, job())
    house.lose_ledger()
    house.open()
    for _ in range(5):
        await house.round()
        house.restart()
        house.chain.clock.time += GAP_SECONDS / 2
    await house.round()
    assert len(house.scheduler.orders) == 1


@pytest.mark.parametrize("ahead", [-86_400.0, 0.0, 86_400.0])
def test_before_and_after_are_told_by_the_chains_clock(ahead: float) -> None:
    """Ours may be a day off: a job of before the doubt is waited for, a later one goes at once."""
    since = 2_000_000_000.0
    for age, waits in ((-5, True), (5, False)):
        spec = replace(JOB.spec, created_ns=int((since + ahead + age) * 10**9))
        found = replace(JOB, spec=spec, adopted_at=since)
        assert (doubt(found, since, ahead).intent_at == since) is waits


async def test_how_far_the_chains_clock_is_ahead(house: House) -> None:
    """Intake tells it whenever it has read every open job, and nothing is submitted in doubt before."""
    first = StaleLedger(house.ledger, "HPC-1")
    first.stale_until(house.chain.clock.now())
    assert first.needs_resync()
    head = await house.chain.client.head()
    await house.intake.tick()
    assert (first.needs_resync(), first.chain_ahead()) == (False, head.time - house.chain.clock.now())
