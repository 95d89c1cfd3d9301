"""Backoff, paths, bandwidth, locks and the spool."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_daemon.errors import Transient
from provider_daemon.job.site_root import job_of
from provider_daemon.mover import paths
from provider_daemon.mover.backoff import FIRST_SECONDS, MOST_SECONDS, Backoff
from provider_daemon.mover.locks import Budget, FairSlots, Locks, Slots
from provider_daemon.mover.pace import Bandwidth
from provider_daemon.mover.spool import Spool


async def chunks(*content: bytes) -> AsyncIterator[bytes]:
    for each in content:
        yield each


def test_backoff() -> None:
    """Twice as long each time, up to a limit; forgotten after a success."""
    backoff = Backoff()
    assert backoff.ready("a", 0.0)
    assert [backoff.failed("a", 0.0) for _ in range(10)] == [
        5, 10, 20, 40, 80, 160, 320, 600, 600, 600,
    ]  # fmt: skip
    assert not backoff.ready("a", MOST_SECONDS - 1)
    assert backoff.ready("b", 0.0)
    assert backoff.waiting == 1
    backoff.clear("a")
    assert backoff.failed("a", 0.0) == FIRST_SECONDS


@given(st.text())
def test_only_a_jobs_own_directories_can_be_deleted(text: str) -> None:
    """Whatever a path contains: the last part has the job's name, and no part is special."""
    for directory in (
        text,
        f"/{text}",
        f"/scratch/{text}",
        f"/scratch/{text}.00c0ffee",
        f"/{text}/ve-1.00c0ffee",
    ):
        place = paths.removable_job(directory, "ve-1")
        if place is not None:
            assert str(place) == directory
            assert place.path == "ve-1.00c0ffee"
            assert ".." not in directory.split("/")
        place = paths.removable_staging(directory, "ve-1")
        assert place is None or place.path == ".provd-inputs/ve-1"


def test_removable() -> None:
    """The root ends with a slash, because the operator's directory may be a symbolic link."""
    assert paths.removable_job("/scratch/a/ve-1.00c0ffee", "ve-1") == paths.Place(
        "/scratch/a/", "ve-1.00c0ffee"
    )
    assert paths.removable_job("/scratch/ve-1.00c0ffeg", "ve-1") is None
    assert paths.removable_job("/scratch/ve-2.00c0ffee", "ve-1") is None
    staging = str(paths.staging("/scratch/a", "ve-1"))
    assert staging == "/scratch/a/.provd-inputs/ve-1"
    assert paths.removable_staging(staging, "ve-1") == paths.Place("/scratch/a/", ".provd-inputs/ve-1")
    assert paths.removable_staging("/scratch/.provd-inputs/ve-2", "ve-1") is None
    assert paths.removable_staging("/scratch/.provd-inputs/..", "..") is None


@pytest.mark.parametrize("word", ["", "..", ".hidden", "a/b", "-x", "a b", "ü"])
def test_unsafe_words_make_no_path(word: str) -> None:
    """Names come from the ledger and addresses from the chain; neither is trusted here."""
    with pytest.raises(ValueError, match="not a plain word"):
        paths.staging("/scratch", word)
    with pytest.raises(ValueError, match="not a plain word"):
        paths.cached(word, "object")


def test_job_name_of_an_entry() -> None:
    """Only `<name>.<8 hex digits>` is a job directory."""
    assert job_of("ve-1-JOB-1.00c0ffee") == "ve-1-JOB-1"
    assert [job_of(entry) for entry in ("ve-1", "ve-1.00c0ffe", ".00c0ffee", "a b.00c0ffee")] == [""] * 4


async def test_bandwidth_is_limited() -> None:
    """All transfers together pass at the limit, after one second of burst."""
    now, waits = [1000.0], list[float]()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    bandwidth = Bandwidth(100, lambda: now[0], sleep)
    received = [chunk async for chunk in bandwidth.receiving(chunks(b"x" * 150, b"x" * 50, b"x" * 100))]
    assert len(received) == 3
    assert waits == [0.5, 0.5, 1.0]
    sent = [chunk async for chunk in bandwidth.sending(chunks(b"x" * 100))]
    assert len(sent) == 1
    assert now[0] == 1003.0
    assert (bandwidth.received, bandwidth.sent) == (300, 100)


async def test_no_limit_never_waits() -> None:
    """0 is no limit."""
    bandwidth = Bandwidth(0, lambda: 0.0, _never)
    assert [chunk async for chunk in bandwidth.receiving(chunks(b"x" * 10**6))] == [b"x" * 10**6]


async def _never(seconds: float) -> None:
    raise AssertionError


async def test_locks_by_name() -> None:
    """One holder at a time of each name; nothing stays of a lock that nobody holds."""
    locks, inside = Locks(), list[str]()

    async def work(name: str) -> None:
        async with locks.hold(name):
            assert name not in inside
            inside.append(name)
            await asyncio.sleep(0)
            inside.remove(name)

    await asyncio.gather(*(work(name) for name in "aabbaacc"))
    assert not any(locks.held(name) for name in "abc")


async def test_slots_are_given_back() -> None:
    """Also of a task that is cancelled while it waits for the second semaphore."""
    first, second = FairSlots(1), FairSlots(1)
    slots = Slots(first, second)
    async with second.hold("other"):
        waiting = asyncio.create_task(_enter(slots))
        await asyncio.sleep(0)
        assert first.held == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert first.held == 0
    assert second.held == 0


async def _enter(slots: Slots) -> None:
    async with slots.hold("ve1customer"):
        raise AssertionError


async def test_a_spooled_file_continues(tmp_path: Path) -> None:
    """What was written before a failure stays, and the next part follows it."""
    spool = Spool(tmp_path / "spool")
    spool.prepare()

    async def cut() -> AsyncIterator[bytes]:
        yield b"0123"
        raise Transient("cut")

    with pytest.raises(Transient, match="cut"):
        await spool.append("a", cut())
    assert spool.size("a") == 4
    await spool.append("a", chunks(b"45", b"67"))
    assert b"".join([chunk async for chunk in spool.read("a")]) == b"01234567"
    assert await spool.sha256("a") == "924592b9b103f14f833faafb67f480691f01988aa457c0061769f58cd47311bc"
    spool.remove("a")
    assert spool.size("a") == 0
    assert os.stat(tmp_path / "spool").st_mode & 0o777 == 0o700


async def test_a_spool_that_cannot_be_used(tmp_path: Path) -> None:
    """A temporary failure with the name of the setting."""
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file" / "spool")
    with pytest.raises(Transient, match=r"data\.spool: Not a directory"):
        spool.prepare()
    with pytest.raises(Transient, match=r"data\.spool"):
        await spool.append("a", chunks(b"x"))


def test_old_files_leave_the_spool(tmp_path: Path) -> None:
    """Files of inputs that nobody asks for any more."""
    spool = Spool(tmp_path)
    for name, at in (("old", 100), ("new", 200)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    assert spool.clear(150.0) == 1
    assert [found.name for found in tmp_path.iterdir()] == ["new"]


async def test_a_budget_is_shared_by_the_requests_of_a_customer() -> None:
    """In their order, also past one that was cancelled; more than all of it is held alone."""
    budget, inside = Budget(10), list[str]()
    leave = {name: asyncio.Event() for name in "abcdx"}

    async def hold(name: str, customer: str, units: int) -> None:
        async with budget.hold(customer, units):
            inside.append(name)
            await leave[name].wait()

    wanted = [
        ("a", "ve1one", 6),
        ("b", "ve1one", 6),
        ("c", "ve1one", 100),
        ("d", "ve1one", 3),
        ("x", "ve1two", 9),
    ]
    tasks = {name: asyncio.create_task(hold(name, customer, units)) for name, customer, units in wanted}
    await asyncio.sleep(0)
    assert inside == ["a", "x"]
    tasks["b"].cancel()
    await asyncio.gather(tasks["b"], return_exceptions=True)
    assert inside == ["a", "x"]
    leave["a"].set()
    await tasks["a"]
    await asyncio.sleep(0)
    assert inside == ["a", "x", "c"]
    for event in leave.values():
        event.set()
    await asyncio.gather(*(task for name, task in tasks.items() if name != "b"))
    assert inside == ["a", "x", "c", "d"]
    async with budget.hold("ve1one", 10):
        pass


async def test_several_locks_are_all_or_none() -> None:
    """Whoever is cancelled while he waits for one releases the others."""
    locks = Locks()
    async with locks.hold("b"):
        waiting = asyncio.create_task(_held(locks, "c", "a", "b"))
        await asyncio.sleep(0)
        assert locks.held("a")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (locks.held("a"), locks.held("b"), locks.held("c")) == (False, True, False)
    await _held(locks, "a", "b", "c")
    assert not locks.held("b")


async def _held(locks: Locks, *names: str) -> None:
    async with locks.hold(*names):
        return
