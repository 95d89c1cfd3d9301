"""The mover is killed at calls of I/O, and started again. What must hold holds at each of them."""

import asyncio
from pathlib import Path

import pytest

from provider_daemon.job.references import DataReference
from provider_daemon.job.transfer import InputState, Transfer
from provider_daemon.transfers.rows import Delivery
from provider_daemon.transfers.store import TransferStore
from tests.unit.mover.site import Killed
from tests.unit.mover.world import DAY, WORK_ROOT, KilledWriter, World, reference, sha256

PLAIN, SECRET = "https://example.org/plain", "https://example.org/secret"
SMALL, UPLOAD = "https://example.org/small", f"upload:{sha256(b'sent before')}"
CONTENT = {
    PLAIN: b"0123456789",
    SECRET: b"encrypted:the plain text",
    SMALL: b"one",
    UPLOAD: b"sent before",
}
STAGED = {
    "plain": CONTENT[PLAIN],
    "secret": b"the plain text",
    "small": CONTENT[SMALL],
    "upload": CONTENT[UPLOAD],
}
TARGET = "https://bucket.example.org/results.tar"
JOBS = ("ve-1", "ve-2")


class Watched(World):
    """Checks at each call of I/O what the daemon and the customers rely on."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, results_days=1)
        self.facts: dict[str, Transfer] = {}
        self.commits = KilledWriter.commits
        self.sources.content = dict(CONTENT)
        self.kill.check = self.check
        for name in JOBS:
            references = (
                DataReference(uri=PLAIN, checksum=sha256(CONTENT[PLAIN])),  # without a size: staged alone
                reference(SECRET, CONTENT[SECRET], encrypted=True),
                reference(SMALL, CONTENT[SMALL]),
                reference(UPLOAD, CONTENT[UPLOAD], name="upload"),
            )
            self.add(name, *references, outputs_pointer=TARGET)

    def check(self) -> None:
        if KilledWriter.commits != self.commits:
            self.commits, self.facts = KilledWriter.commits, TransferStore(self.path).facts(JOBS)
        for name, transfer in self.facts.items():
            job = self.ledger.all[name]
            if transfer.inputs is InputState.READY and job.closed_at is None:
                assert self.site.below(transfer.staged) == STAGED, "ready before it was whole"
            expired = job.closed_at is not None and self.clock.at >= job.closed_at + DAY
            if job.directory and not expired:
                assert self.site.below(job.directory).get("result") in (None, b"42")
                assert "output.txt" in self.site.below(job.directory), "deleted before its retention"
            if transfer.settled:
                assert transfer.results is not None
                assert transfer.results.files == 2

    @property
    def bytes_in(self) -> int:
        return sum(self.row(name).transfer.bytes_in for name in JOBS)

    async def all_of(self) -> None:
        """What each run ends with, whatever happened before."""
        rows = [self.row(name) for name in JOBS]
        assert [row.delivery for row in rows] == [Delivery.DONE, Delivery.DONE]
        assert all(row.transfer.settled and row.deleted_at and row.unstaged_at for row in rows)
        assert self.bytes_in <= sum(map(len, CONTENT.values())), "counted twice"
        assert self.uploader.received == {TARGET: b"output.txt:result:42"}
        assert not any(self.site.there(f"{WORK_ROOT}/{name}.00c0ffee") for name in JOBS)
        assert not any(self.site.there(row.staging) for row in rows)
        assert list(self.spool.iterdir()) == []
        assert self.sources.open == []


async def story(world: World, kills: "Kills") -> None:
    """Stages two jobs, runs them, closes them and lets them expire."""
    await kills.live(world)
    for name in JOBS:
        assert world.row(name).transfer.inputs is InputState.READY
        world.submit(name)
    await kills.live(world)
    for name in JOBS:
        world.finish(name, result=b"42")
    await kills.live(world)
    for name in JOBS:
        world.close(name)
    await kills.live(world)
    world.clock.at += DAY
    await kills.live(world)


class Kills:
    """Kills at the call number `at` of the whole story, and at every `every`-th one after it."""

    def __init__(self, at: int, every: int = 0) -> None:
        self.left, self.every, self.calls, self.killed = at, every, 0, 0

    async def live(self, world: World) -> None:
        while not await world.live(self.left):
            self.calls += world.kill.calls
            self.killed += 1
            self.left = self.every
            world.clock.at += 1
        self.calls += world.kill.calls
        if self.left:
            self.left = max(1, self.left - world.kill.calls)


async def test_without_a_kill(tmp_path: Path) -> None:
    """Each content is fetched once."""
    world = Watched(tmp_path)
    await story(world, Kills(0))
    await world.all_of()
    assert sorted(world.sources.fetched) == [(uri, 0) for uri in sorted(CONTENT)]
    assert world.bytes_in == sum(map(len, CONTENT.values()))
    assert world.sources.moved == sum(map(len, CONTENT.values()))


async def test_killed_anywhere(tmp_path: Path) -> None:
    """One kill anywhere changes nothing of the outcome, and only what was under way is fetched again."""
    first = Kills(0)
    await story(Watched(tmp_path / "first"), first)
    assert first.calls > 100
    for at in range(1, first.calls + 1, 5):
        world = Watched(tmp_path / str(at))
        kills = Kills(at)
        await story(world, kills)
        await world.all_of()
        assert kills.killed == 1
        assert len(world.sources.fetched) <= 8


@pytest.mark.parametrize("every", [60, 70, 80])
async def test_killed_again_and_again(tmp_path: Path, every: int) -> None:
    """A mover that never lives long makes progress all the same."""
    world = Watched(tmp_path)
    kills = Kills(every, every)
    await story(world, kills)
    await world.all_of()
    assert kills.killed > 1


async def test_a_stopped_mover_leaves_nothing_running(tmp_path: Path) -> None:
    """SIGTERM cancels the steps; the next start repeats them."""
    world = Watched(tmp_path)
    world.start()
    world.sources.stalled = True
    world.parts.mover.tick()
    while not world.sources.open:
        await asyncio.sleep(0)
    await world.stop()
    assert world.sources.open == []
    world.sources.stalled = False
    await story(world, Kills(0))
    await world.all_of()


async def test_a_kill_is_one(tmp_path: Path) -> None:
    """The fake kills: without this, the tests above would prove nothing."""
    world = Watched(tmp_path)
    world.kill.at = 3
    world.start()
    with pytest.raises(Killed):
        await world.run()
    assert world.kill.calls >= 3
    world.kill.at = 0
    await world.stop()
