"""The real daemon's loops over the two models.

They start from the ledger file, are killed at any instant, and restart.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from provider_daemon.clock import SystemClock
from provider_daemon.errors import LedgerError
from provider_daemon.job.admission import Image, SitePolicy
from provider_daemon.job.job import Job
from provider_daemon.job.payment import PaymentMode, PaymentPolicy
from provider_daemon.job.state import route
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.cluster import PoolPolicy, ServedCluster
from provider_daemon.loops.heartbeat import Heartbeat
from provider_daemon.loops.intake import Intake
from provider_daemon.loops.lease_return import LeaseReturn
from provider_daemon.loops.outbox import Outbox, OutboxSettings
from provider_daemon.loops.runner import Loop, run_periodically
from provider_daemon.loops.start import start
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Chain, PoolSite, Scheduler
from tests.fakes.chain import PROVIDER
from tests.simulation.blocks import Blocks
from tests.simulation.client import CHAIN_ID, SimulatedChain
from tests.simulation.gate import Gate
from tests.simulation.lies import LyingChain
from tests.simulation.mover import POLICY, Mover
from tests.simulation.results_checks import waits_too_long
from tests.simulation.scheduler import SimulatedScheduler
from tests.simulation.site import Site as SlurmSite
from tests.simulation.world import Killed, World

TENANCY = ServedCluster(
    cluster_id="HPC-1",
    name="alpha",
    signer=PROVIDER,
    work_root="/work",
    region="eu",
    prologue=("module load site",),
    site=SitePolicy(images=(Image("alpine:*"),)),
    payment=PaymentPolicy(PaymentMode.NONE),
)


class WatchedLedger(Ledger):
    """The real ledger.

    Each statement and each commit is a moment to be killed; at a commit the disk may also be full.
    """

    gate: Gate
    world: World
    writing = False

    @contextmanager
    def write(self) -> Iterator[None]:
        if self.gate.dead:
            raise Killed
        with super().write():
            self.writing = True
            try:
                yield
            finally:
                self.writing = False
            self.gate.maybe_die("kill_at_commit", "a commit, before")
            self._find_room()
        self.gate.maybe_die("kill_at_commit", "a commit, after")

    def save_job(self, job: Job) -> None:
        before = self.job(job.spec.job_id)
        if before is not None and route(job.reported, before.reported):
            self.world.wrong(
                f"10 {job.spec.job_id} was {before.reported} on chain, and is {job.reported} again in "
                "the ledger"
            )
        super().save_job(job)

    def _run(self, query: str, **values: object) -> sqlite3.Cursor:
        if self.writing:
            self.gate.maybe_die("kill_in_transaction", f"{query}, in a transaction")
        return super()._run(query, **values)

    def _find_room(self) -> None:
        if self.world.strikes("full_disk"):
            self.world.disk_full_until = self.world.now() + self.world.broken_for(1, 100)
        if self.world.now() < self.world.disk_full_until:
            self.world.note("disk: full")
            self.gate.memory_lost_at = self.world.loop.time()
            raise sqlite3.OperationalError("database or disk is full")


class Life:
    """The daemon from one start to its end."""

    tenancy = TENANCY

    def __init__(
        self,
        world: World,
        site: SlurmSite,
        blocks: Blocks,
        path: Path,
        periods: dict[str, float],
        mover: Mover,
    ) -> None:
        self._world = world
        self._blocks = blocks
        self._mover = mover
        self._periods = periods
        self.gate = Gate(world)
        self._died = asyncio.Event()
        self.gate.on_death = self._died.set
        self.clock = SystemClock(world.machine_clock, world.loop.time)
        self.ledger = WatchedLedger.open(path)
        self.ledger.gate, self.ledger.world = self.gate, world
        self.chain: Chain = SimulatedChain(world, blocks, self.gate, PROVIDER.address)
        self.sending: Chain | None = LyingChain(world, blocks, self.gate, PROVIDER.address)
        self.scheduler: Scheduler = SimulatedScheduler(world, site, self.gate, self.clock)
        self.pool: tuple[PoolSite, PoolPolicy] | None = None

    def _make_loops(self) -> list[Loop]:
        """Creates the loops as the daemon does, in its order."""
        self.ledger.claim(CHAIN_ID)
        start(self.ledger, [TENANCY.cluster_id], self.clock.booted_at, self.clock.now())

        def wake() -> None:
            for loop in loops[:2]:
                loop.poke.set()

        settings = OutboxSettings(timeout_blocks=8)
        present = self._mover.present
        pool_site, policy = self.pool or (None, None)
        served = replace(self.tenancy, data=POLICY if present else None, pool=policy)
        transfers = self._mover if present else None
        outbox = Outbox(self.ledger, self.sending or self.chain, PROVIDER, settings, self.clock, wake)
        advance = Advance(
            self.ledger,
            self.scheduler,
            served,
            self.clock,
            wake,
            transfers=transfers,
            pool_site=pool_site,
        )
        intake = Intake(self.ledger, self.chain, {"HPC-1": served}, self.clock, wake)
        heartbeat = Heartbeat(self.ledger, self.scheduler, self.chain, TENANCY, self.clock)

        async def advancing() -> None:
            began = self._world.now()
            await advance.tick()
            if "clock_jump" not in self._world.chances and not advance._stale_ledger.needs_resync():
                for line in waits_too_long(self.ledger.open_jobs(TENANCY.cluster_id), began):
                    self._world.wrong(line)

        ticks = [
            ("outbox", outbox.tick),
            ("advance", advancing),
            ("intake", intake.tick),
            ("heartbeat", heartbeat.tick),
        ]
        if pool_site is not None:
            returning = LeaseReturn(self.ledger, pool_site, served, self.clock, OngoingProblems())
            ticks.append(("leases", returning.tick))
        loops = [Loop(name, self._periods[name], tick) for name, tick in ticks]
        return loops

    async def run(self) -> None:
        """Runs until it is killed, until its ledger cannot be written, or until the caller cancels it."""
        stop = asyncio.Event()
        tasks: list[asyncio.Task[None]] = []
        death: asyncio.Task[object] = asyncio.ensure_future(self._died.wait())
        try:
            tasks += [
                asyncio.ensure_future(run_periodically(loop, self.clock, stop)) for loop in self._make_loops()
            ]
            await asyncio.wait([*tasks, death], return_when=asyncio.FIRST_COMPLETED)
        except (Killed, LedgerError) as error:
            self._complain([error])
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
        """Records loops that ended by an unexpected error.

        A full disk ends the daemon as designed: without a ledger nothing is safe. systemd restarts it.
        """
        for error in ended:
            if isinstance(error, Killed | asyncio.CancelledError) or not isinstance(error, BaseException):
                continue
            if not (isinstance(error, LedgerError) and self.gate.memory_lost_at is not None):
                self._world.wrong(f"4 a loop ended by {type(error).__name__}: {error}")
