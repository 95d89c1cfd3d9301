"""One schedule: from a seed to what happened and which promises broke."""

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from provider_daemon.chain.spec_digest import digest
from provider_daemon.job.claim import CLAIMED, UNCLAIMED
from provider_daemon.job.lifecycle import wall_limit
from provider_daemon.job.naming import public_name
from provider_daemon.job.parking import ParkReason
from provider_daemon.job.spec import Resources, Spec, Workload
from provider_daemon.ledger.file import copy
from provider_daemon.ledger.ledger import Ledger
from tests.fakes.chain import ALICE, BOB, PROVIDER
from tests.simulation import listening
from tests.simulation.blocks import Blocks
from tests.simulation.books import Lie, Record
from tests.simulation.client import CHAIN_ID
from tests.simulation.invariants import SETTLE, Scene, check, settled
from tests.simulation.life import Life
from tests.simulation.mover import Mover
from tests.simulation.site import Site
from tests.simulation.slurm_job import Plan
from tests.simulation.wire import records
from tests.simulation.world import VirtualLoop, World

MEMORY = Path("/dev/shm")
# seconds: shorter than the time after which a job is disowned
LIE_THAT_ENDS_NOTHING = 60


@dataclass(frozen=True)
class Result:
    seed: int
    deeds: Counter[str]
    wrongs: list[str]
    timeline: list[str]


def play(seed: int, mode: "type[Schedule] | None" = None) -> Result:
    """Plays a schedule; a seed always gives the same schedule in a mode.

    Without a mode, the ports are the border between real and simulated.
    """
    loop = VirtualLoop()
    world = World(seed, loop)
    try:
        with (
            tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place,
            listening.to(world),
        ):
            loop.run_until_complete((mode or Schedule)(world, Path(place) / "ledger.sqlite").run())
    finally:
        loop.close()
    return Result(seed, world.deeds, world.wrongs, world.timeline)


class Schedule:
    blocks: type[Blocks] = Blocks
    site: type[Site] = Site
    settle_seconds = SETTLE
    life: type[Life] = Life

    def __init__(self, world: World, path: Path) -> None:
        self._world = world
        self._path = path
        self._plans: dict[str, Plan] = {}
        self._mover = Mover(world)
        self._site = self.site(world, self._plans, self._mover)
        self._blocks = self.blocks(world, seconds=world.dice.choice((2, 5)))
        self._copy = path.with_name("older-copy")
        self._second: asyncio.Task[None] | None = None
        self._invented: list[Lie] = []
        world.cancel_some_job, world.end_was_reported = (
            self._blocks.cancel_some_job,
            self._blocks.end_was_reported,
        )

    async def run(self) -> None:
        dice = self._world.dice
        self._blocks.tick()
        for _ in range(dice.randint(1, 5)):
            self._world.later(
                dice.uniform(0, dice.choice((60, self._world.calm_at, self._world.calm_at))), self._customer
            )
        running = [asyncio.ensure_future(self._lives()), asyncio.ensure_future(self._machine())]
        await self._until_settled()
        running += [self._second] if self._second else []
        for task in running:
            task.cancel()
        for ended in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
                raise ended
        ledger = Ledger.open(self._path)
        for line in check(self._scene(ledger)):
            self._world.wrong(line)
        ledger.close()

    async def _until_settled(self) -> None:
        """Waits from outside, as an operator's command does."""
        await asyncio.sleep(self._world.calm_at + 61)
        for _ in range(self.settle_seconds // 30):
            if self._path.exists():
                ledger = Ledger.open(self._path, lock=False)
                done = settled(self._scene(ledger))
                ledger.close()
                if done:
                    return
            await asyncio.sleep(30)

    def _scene(self, ledger: Ledger) -> Scene:
        return Scene(
            self._world,
            self._site,
            self._blocks,
            ledger,
            self._world.memory_lost,
            tuple(self._invented),
            self._mover,
        )

    # --- the daemon's lives ---

    async def _lives(self) -> None:
        dice = self._world.dice
        periods: dict[str, float] = {
            "outbox": dice.choice((4, 9)),
            "advance": dice.choice((6, 15)),
            "intake": dice.choice((5, 12)),
        }
        periods["heartbeat"] = dice.choice((30, 60))
        while True:
            await self._life(periods, self._path).run()
            await asyncio.sleep(dice.choice((0.5, 5, 90)))
            self._between_lives()

    def _life(self, periods: dict[str, float], path: Path) -> Life:
        return self.life(self._world, self._site, self._blocks, path, periods, self._mover)

    async def _second_daemon(self, seconds: float) -> None:
        """Runs another daemon for a while, with a ledger of its own: it knows nothing of the first one."""
        self._world.memory_lost = self._world.two_daemons = True
        self._world.note(f"a second daemon serves the cluster for {seconds:.0f} s")
        periods: dict[str, float] = {"outbox": 4, "advance": 6, "intake": 5, "heartbeat": 60}
        path = self._path.with_name("ledger-of-the-second.sqlite")
        life = asyncio.ensure_future(self._life(periods, path).run())
        try:
            await asyncio.wait([life], timeout=seconds)
        finally:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
        self._world.note("the second daemon is stopped")

    def _between_lives(self) -> None:
        if self._world.strikes("ledger_lost"):
            self._lose_ledger("the ledger is lost")
        elif self._copy.exists() and self._world.strikes("ledger_restored"):
            self._lose_ledger("an older copy of the ledger is put back")
            shutil.copyfile(self._copy, self._path)

    def _lose_ledger(self, how: str) -> None:
        self._world.memory_lost = True
        self._world.note(how)
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()

    # --- the machine and its operator ---

    async def _machine(self) -> None:
        """Every few seconds: a backup, a changed clock, an operator who unparks parked jobs."""
        dice = self._world.dice
        while True:
            await asyncio.sleep(dice.uniform(5, 60))
            if self._world.strikes("clock_jump"):
                self._world.clock_is_off += dice.choice((-86400, -600, -70, -20, 20, 70, 600, 86400))
                self._world.note(f"machine: its clock is set, now {self._world.clock_is_off:+.0f} s off")
            if not self._path.exists():
                continue
            if "ledger_restored" in self._world.chances and not self._world.calm and dice.random() < 0.5:
                self._back_up()
            if self._world.strikes("operator_unparks"):
                self._unpark()
            self._liar()
            if self._second is None and self._world.strikes("second_daemon"):
                seconds = self._world.broken_for(60, 400)
                self._second = asyncio.ensure_future(self._second_daemon(seconds))

    def _back_up(self) -> None:
        with closing(sqlite3.connect(self._path)) as ledger:
            copy(ledger, self._copy)

    def _unpark(self) -> None:
        ledger = Ledger.open(self._path, lock=False)
        with ledger.write():
            for job in ledger.open_jobs("HPC-1"):
                # unparking an implausible record would have it signed
                if job.parked and job.parked.reason is not ParkReason.IMPLAUSIBLE_RECORD:
                    self._world.note(f"operator: unparks {job.spec.job_id}")
                    ledger.unpark(job.spec.job_id)
        ledger.close()

    # --- the endpoint that lies ---

    def _liar(self) -> None:
        """Lies about jobs.

        A lie is an unsubmitted job under the next number or, for a short while, another customer's job in
        place of a known one. With one endpoint, a lie about a job from the first to the last moment is all
        that can be known: no schedule has that.
        """
        world, jobs = self._world, self._blocks.books.jobs
        if world.strikes("invented_record"):
            self._lie(self._job(len(jobs) + 1), world.broken_for(20, 200))
        known = [job_id for job_id, record in jobs.items() if record.told]
        if known and world.strikes("altered_for_a_moment"):
            number = int(world.dice.choice(known).removeprefix("JOB-"))
            self._lie(self._job(number), world.broken_for(1, LIE_THAT_ENDS_NOTHING))

    def _lie(self, job: tuple[Spec, Plan], seconds: float) -> None:
        """Returns another customer's job, created a moment later."""
        spec, plan = job
        spec = replace(spec, customer=BOB.address, created_ns=spec.created_ns + 1)
        spec = replace(spec, digest=digest(records.job(Record(spec, 0)), CHAIN_ID))
        record = Record(spec, self._blocks.height)
        self._plans[record.slurm_name] = plan
        lie = Lie(record, self._world.now() + seconds)
        self._blocks.books.lies[spec.job_id] = lie
        self._invented.append(lie)
        self._site.invented.add(record.slurm_name)
        self._world.note(f"endpoint: shows another {spec.job_id} for {seconds:.0f} s")

    # --- the customers ---

    def _customer(self) -> None:
        dice, world = self._world.dice, self._world
        spec, plan = self._job(len(self._blocks.books.jobs) + 1)
        spec = replace(spec, data=self._mover.references())
        # As the record's reader computes it: job names are derived from it.
        spec = replace(spec, digest=digest(records.job(Record(spec, self._blocks.height)), CHAIN_ID))
        record = Record(spec, self._blocks.height)
        self._plans[record.slurm_name] = self._plans[public_name(spec)] = plan
        if spec.data:
            self._mover.expect(record.slurm_name)
        self._site.owners[public_name(spec)] = record.slurm_name
        self._blocks.books.add(record)
        world.note(
            f"chain: {spec.job_id} submitted, {spec.max_runtime_seconds} s at most, takes "
            f"{plan.seconds:.0f} s"
        )
        if world.strikes("unreadable_record"):
            record.unreadable_from, record.unreadable_for = (
                world.now(),
                dice.choice((world.broken_for(10, 300), float("inf"))),
            )
        elif world.strikes("unreadable_later"):
            record.unreadable_from = world.now() + dice.uniform(1, 200)
            record.unreadable_for = dice.choice((world.broken_for(10, 300), float("inf")))
        if world.strikes("name_is_guessed"):
            self._site.imitate(public_name(spec))
        if world.strikes("customer_cancel"):
            world.later(dice.uniform(0, dice.choice((60, 300))), lambda: self._blocks.cancel(spec.job_id))

    def _job(self, number: int) -> tuple[Spec, Plan]:
        dice, cpus, memory, nodes = (
            self._world.dice,
            self._world.dice.randint(1, 8),
            self._world.dice.randint(1, 16),
            1,
        )
        nodes, gpus = dice.choice((1, 1, 2, 3)), dice.choice((0, 0, 1, 2))
        limit = dice.choice((90, 300, 600, 900))
        spec = Spec(
            chain_id=CHAIN_ID,
            job_id=f"JOB-{number}",
            offering_id="OFF-1",
            cluster_id="HPC-1",
            provider=PROVIDER.address,
            customer=ALICE.address,
            queue="standard",
            workload=Workload(image="alpine:3", command="true"),
            resources=Resources(nodes, cpus, memory, gpus, "a100" if gpus else ""),
            max_runtime_seconds=limit,
            created_ns=int(self._world.now() * 10**9),
        )
        wall = wall_limit(limit, 30)
        seconds = (
            float(limit)
            if self._world.strikes("outlives_limit")
            else dice.uniform(1, dice.choice((30, wall - 5)))
        )
        accounted = not (gpus and self._world.strikes("gpus_unaccounted"))
        like_a_claim = self._world.strikes("exits_like_a_claim")
        return spec, Plan(
            wall,
            seconds,
            dice.choice((CLAIMED, UNCLAIMED) if like_a_claim else (0, 0, 1, 127)),
            cpus,
            memory,
            nodes,
            gpus,
            spec.resources.gpu_type,
            accounted,
        )
