"""A customer whose inputs, targets and results are made to stop the mover for the others."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from provider_daemon.errors import Transient
from provider_daemon.job.transfer import InputState
from provider_daemon.mover import cluster, results
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.locks import FairSlots
from provider_daemon.mover.spool import SPARE_BYTES, Spool
from provider_daemon.site_files.values import Skipped, SkipReason
from provider_daemon.sources.inputs import Input
from provider_daemon.sources.refusals import InputRefused
from tests.unit.mover.site import FakeSources
from tests.unit.mover.world import CLUSTER, World, reference

ATTACKER, VICTIM = "ve1attacker", "ve1victim"


async def rest() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


class Taker:
    """Holds slots until it is cancelled, and notes who got one."""

    def __init__(self, slots: FairSlots) -> None:
        self.slots = slots
        self.got: list[str] = []
        self.tasks: list[tuple[str, asyncio.Task[None]]] = []

    def wants(self, *customers: str) -> None:
        for customer in customers:
            self.tasks.append((customer, asyncio.create_task(self._hold(customer))))

    async def _hold(self, customer: str) -> None:
        async with self.slots.hold(customer):
            self.got.append(customer)
            await asyncio.Event().wait()

    async def end(self, customer: str = "") -> None:
        """Ends the first task of a customer, or all."""
        ended = [each for each in self.tasks if customer in ("", each[0])][: 1 if customer else None]
        for each in ended:
            self.tasks.remove(each)
            each[1].cancel()
        await asyncio.gather(*(task for _, task in ended), return_exceptions=True)


@pytest.mark.parametrize(("most", "share"), [(1, 1), (2, 1), (4, 3), (8, 7)])
async def test_endless_transfers_leave_a_slot_for_others(most: int, share: int) -> None:
    """One customer never holds the last of several slots, however many transfers he has waiting."""
    taker = Taker(FairSlots(most))
    taker.wants(*[ATTACKER] * 100)
    await rest()
    assert taker.got == [ATTACKER] * share
    taker.wants(VICTIM)
    await rest()
    assert taker.got.count(VICTIM) == (1 if most > 1 else 0)
    await taker.end()
    assert taker.slots.held == 0


async def test_a_thousand_waiting_transfers_do_not_come_first() -> None:
    """A free slot goes to who holds the fewest, and equal customers take turns."""
    taker = Taker(FairSlots(1))
    taker.wants(*[ATTACKER] * 1000, VICTIM, VICTIM)
    await rest()
    for _ in range(3):
        await taker.end(taker.got[-1])
        await rest()
    assert taker.got == [ATTACKER, ATTACKER, VICTIM, ATTACKER]
    await taker.end()
    assert taker.slots.held == 0


class Endless:
    """Sources in which the attacker's inputs never end, and others come at once."""

    def __init__(self, inner: FakeSources) -> None:
        self.inner = inner
        self.asked = 0

    @asynccontextmanager
    async def fetch(
        self, source: Input, customer: str, offset: int = 0, *, hashing: bool = True
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        if customer == VICTIM:
            async with self.inner.fetch(source, customer, offset) as chunks:
                yield chunks
            return
        self.asked += 1
        yield _never()

    async def uploaded(
        self, inputs: Sequence[Input], customer: str
    ) -> Sequence[bytes | InputRefused | Transient]:
        return await self.inner.uploaded(inputs, customer)


async def _never() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


def add(world: World, number: int, customer: str, content: bytes) -> str:
    made = JobFacts(
        name=f"ve-{number}-abc",
        job_id=f"JOB-{number}",
        cluster_id=CLUSTER,
        customer=customer,
        inputs=1,
        stageable=True,
    )
    world.ledger.all[made.name] = made
    world.ledger.declared[made.name] = (reference(f"https://data.example/{number}", content),)
    return made.name


async def test_a_customers_endless_inputs_stop_no_other(world: World) -> None:
    """A thousand jobs with inputs that never end: another customer's inputs are staged meanwhile."""
    for number in range(1000):
        add(world, number, ATTACKER, b"%d" % number)
    sources = Endless(world.sources)
    world.fetcher._sources = sources
    world.parts.mover.tick()
    await rest()
    assert sources.asked == 3
    assert world.parts.mover.busy == cluster.STEPS_PER_CUSTOMER
    victim = add(world, 5000, VICTIM, b"data")
    world.sources.content["https://data.example/5000"] = b"data"
    world.parts.mover.tick()
    await rest()
    assert world.row(victim).transfer.inputs is InputState.READY


@pytest.mark.parametrize(
    ("limit", "most", "detail"),
    [("MAX_FILES", 2, "more than 2 files"), ("MAX_PATHS", 20, "more than 20 bytes of paths")],
)
async def test_a_manifest_without_end(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, detail: str
) -> None:
    """Entries that are left out count too, and long paths do not fill the mover's disk."""
    monkeypatch.setattr(results, limit, most)
    world.site.skipped = [Skipped(f"link{number}", SkipReason.SYMBOLIC_LINK) for number in range(3)]
    world.add("ve-1")
    await world.run()
    world.submit("ve-1")
    world.finish("ve-1")
    await world.run()
    row = world.row("ve-1")
    assert row.transfer.results is None
    assert row.transfer.settled
    assert row.results_detail.endswith(detail)


async def test_unfinished_encrypted_inputs_do_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest files that nobody writes to go first; without any, the transfer waits for room."""
    spool = Spool(tmp_path)
    for age, name in enumerate(("new", "old")):
        (tmp_path / name).write_bytes(b"x" * 10)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))

    def free(_: Spool) -> int:
        return SPARE_BYTES + 15 - sum(each.stat().st_size for each in tmp_path.iterdir())

    monkeypatch.setattr(Spool, "_free", free)
    await spool.append("mine", _pieces(b"y" * 4))
    assert {each.name for each in tmp_path.iterdir()} == {"mine", "new"}
    with pytest.raises(Transient, match="bytes are free"):
        await spool.append("mine", _pieces(*[b"y" * 2**20] * 2))  # more than Python buffers
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
