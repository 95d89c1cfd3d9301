"""The real daemon's loops over the two models: born from the ledger file, killed at any instant, born again."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provider_daemon.job.admission import Image, Site
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.every import Loop, every
from provider_daemon.loops.heartbeat import Heartbeat
from provider_daemon.loops.intake import Intake
from provider_daemon.loops.outbox import Outbox, OutboxSettings
from provider_daemon.loops.tenancy import Tenancy
from tests.fakes.chain import PROVIDER
from tests.simulation.blocks import Blocks
from tests.simulation.client import SimulatedChain
from tests.simulation.gate import Gate
from tests.simulation.scheduler import SimulatedScheduler
from tests.simulation.site import Site as SlurmSite
from tests.simulation.world import Killed, World

TENANCY = Tenancy(cluster_id="HPC-1", name="alpha", signer=PROVIDER, work_root="/work", region="eu", site=Site(images=(Image("alpine:*"),)))


class WatchedLedger(Ledger):
    """The real ledger; each commit is a place to die, just before it and just after it."""

    gate: Gate

    @contextmanager
    def write(self) -> Iterator[None]:
        if self.gate.dead:
            raise Killed
        with super().write():
            yield
            self.gate.maybe_die("kill_at_commit", "a commit, before")
        self.gate.maybe_die("kill_at_commit", "a commit, after")


class Life:
    """The daemon from one start to its end."""

    def __init__(self, world: World, site: SlurmSite, blocks: Blocks, path: Path, periods: dict[str, float]) -> None:
        self._world = world
        self.gate = Gate(world)
        self._died = asyncio.Event()
        self.gate.on_death = self._died.set
        self.ledger = WatchedLedger.open(path)
        self.ledger.gate = self.gate  # type: ignore[attr-defined]
        chain = SimulatedChain(world, blocks, self.gate, PROVIDER.address)
        scheduler = SimulatedScheduler(world, site, self.gate)
        self._loops = self._make_loops(chain, scheduler, periods)

    def _make_loops(self, chain: SimulatedChain, scheduler: SimulatedScheduler, periods: dict[str, float]) -> list[Loop]:
        def wake() -> None:
            for loop in loops[:2]:
                loop.poke.set()

        settings = OutboxSettings(timeout_blocks=8)
        outbox = Outbox(self.ledger, chain, PROVIDER, settings, self._world, wake)
        advance = Advance(self.ledger, scheduler, TENANCY, self._world, wake)
        intake = Intake(self.ledger, chain, {"HPC-1": TENANCY}, self._world, wake)
        heartbeat = Heartbeat(self.ledger, scheduler, chain, TENANCY, self._world)
        ticks = (("outbox", outbox.tick), ("advance", advance.tick), ("intake", intake.tick), ("heartbeat", heartbeat.tick))
        loops = [Loop(name, periods[name], tick) for name, tick in ticks]
        return loops

    async def run(self) -> None:
        """Until it is killed, or until the caller cancels it."""
        stop = asyncio.Event()
        tasks = [asyncio.ensure_future(every(loop, self._world, stop)) for loop in self._loops]
        death = asyncio.ensure_future(self._died.wait())
        try:
            await asyncio.wait([*tasks, death], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.gate.dead = True
            stop.set()
            for task in (*tasks, death):
                task.cancel()
            try:
                self._complain(await asyncio.gather(*tasks, return_exceptions=True))
            finally:
                self.ledger.close()

    def _complain(self, ended: list[object]) -> None:
        for error in ended:
            if isinstance(error, BaseException) and not isinstance(error, Killed | asyncio.CancelledError):
                self._world.wrong(f"a loop ended by {type(error).__name__}: {error}")
