"""One schedule: a seed in, what happened and which promises broke out."""

import asyncio
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.job.lifecycle import wall_limit
from provider_daemon.job.spec import Resources, Spec, Workload
from provider_daemon.ledger.ledger import Ledger
from tests.fakes.chain import ALICE, PROVIDER
from tests.simulation import listening
from tests.simulation.blocks import Blocks
from tests.simulation.books import Record
from tests.simulation.client import CHAIN_ID
from tests.simulation.invariants import SETTLE, Scene, check, settled
from tests.simulation.life import Life
from tests.simulation.site import Plan, Site
from tests.simulation.world import START, VirtualLoop, World

MEMORY = Path("/dev/shm")
REPLACED_AFTER = 65  # seconds: whoever puts a new ledger in place of a lost one waits until no sbatch of the old can be under way


@dataclass(frozen=True)
class Result:
    seed: int
    deeds: Counter[str]
    wrongs: list[str]
    timeline: list[str]


def play(seed: int) -> Result:
    """The same seed always plays the same schedule."""
    loop = VirtualLoop()
    world = World(seed, loop)
    try:
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place, listening.to(world):
            loop.run_until_complete(Schedule(world, Path(place) / "ledger.sqlite").run())
    finally:
        loop.close()
    return Result(seed, world.deeds, world.wrongs, world.timeline)


class Schedule:
    def __init__(self, world: World, path: Path) -> None:
        self._world = world
        self._path = path
        self._plans: dict[str, Plan] = {}
        self._site = Site(world, self._plans)
        self._blocks = Blocks(world, seconds=world.dice.choice((2, 5)))
        self._lost_ledger = False
        self._done = asyncio.Event()

    async def run(self) -> None:
        dice = self._world.dice
        self._blocks.tick()
        for number in range(1, dice.randint(1, 4) + 1):
            self._world.later(dice.uniform(0, 60), lambda number=number: self._customer(number))  # type: ignore[misc]
        lives = asyncio.ensure_future(self._lives())
        await self._until_settled()
        lives.cancel()
        await asyncio.gather(lives, return_exceptions=True)
        ledger = Ledger.open(self._path)
        for line in check(self._scene(ledger)):
            self._world.wrong(line)
        ledger.close()

    async def _until_settled(self) -> None:
        """Looks from outside, as an operator's command does."""
        await asyncio.sleep(self._world.calm_at + 61)
        for _ in range(SETTLE // 30):
            if self._path.exists():
                ledger = Ledger.open(self._path, lock=False)
                done = settled(self._scene(ledger))
                ledger.close()
                if done:
                    return
            await asyncio.sleep(30)

    def _scene(self, ledger: Ledger) -> Scene:
        return Scene(self._site, self._blocks, ledger, self._lost_ledger)

    # --- the daemon's lives ---

    async def _lives(self) -> None:
        dice = self._world.dice
        periods: dict[str, float] = {"outbox": dice.choice((3, 7)), "advance": dice.choice((5, 12)), "intake": dice.choice((4, 9))}
        periods["heartbeat"] = dice.choice((11, 60))
        while True:
            life = Life(self._world, self._site, self._blocks, self._path, periods)
            await life.run()
            await asyncio.sleep(dice.choice((0.5, 5, 90)))
            if self._world.strikes("lost_ledger"):
                await self._lose_ledger()

    async def _lose_ledger(self) -> None:
        self._lost_ledger = True
        self._world.note("the ledger is lost")
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()
        await asyncio.sleep(REPLACED_AFTER)

    # --- the customers ---

    def _customer(self, number: int) -> None:
        dice = self._world.dice
        number = len(self._blocks.books.jobs) + 1
        spec, plan = self._job(number)
        self._plans[spec.slurm_name] = plan
        self._blocks.books.jobs[spec.job_id] = Record(spec, self._blocks.height)
        self._world.note(f"chain: {spec.job_id} submitted, {spec.max_runtime_seconds} s at most, takes {plan.seconds:.0f} s")
        if self._world.strikes("customer_cancel"):
            self._world.later(dice.uniform(0, dice.choice((60, 300))), lambda: self._blocks.cancel(spec.job_id))

    def _job(self, number: int) -> tuple[Spec, Plan]:
        dice, cpus, memory, nodes = self._world.dice, self._world.dice.randint(1, 8), self._world.dice.randint(1, 16), 1
        limit = dice.choice((90, 300, 600))
        spec = Spec(
            chain_id=CHAIN_ID,
            job_id=f"JOB-{number}",
            offering_id="OFF-1",
            cluster_id="HPC-1",
            provider=PROVIDER.address,
            customer=ALICE.address,
            queue="standard",
            workload=Workload(image="alpine:3", command="true"),
            resources=Resources(nodes, cpus, memory),
            max_runtime_seconds=limit,
            created_ns=int((START + number) * 10**9),
        )
        wall = wall_limit(limit, 30)
        seconds = float(limit) if self._world.strikes("outlives_limit") else dice.uniform(1, wall - 5)
        return spec, Plan(wall, seconds, dice.choice((0, 0, 1, 127)), cpus, memory, nodes)
