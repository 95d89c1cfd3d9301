"""ports.Scheduler over the model of SLURM, with everything that can happen to a command on its way there and back."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from provider_daemon.errors import Transient
from provider_daemon.job.lifecycle import SBATCH_BOUND
from provider_daemon.job.snapshot import Sighting, Snapshot
from provider_daemon.ports import Node, Order, Receipt, Watch
from tests.simulation.gate import Gate
from tests.simulation.site import Site
from tests.simulation.world import World

T = TypeVar("T")
HOST = Node("n1", "IDLE", True, False, 16, 0, 65536, 0)


class SimulatedScheduler:
    def __init__(self, world: World, site: Site, gate: Gate) -> None:
        self._world = world
        self._site = site
        self._gate = gate

    async def version(self) -> str:
        return "24.11.5"

    async def close(self) -> None:
        pass

    async def nodes(self) -> tuple[Node, ...]:
        return await self._ask("scontrol", lambda: (HOST,))

    async def cancel(self, slurm_ids: Sequence[str]) -> None:
        await self._ask(f"scancel {' '.join(slurm_ids)}", lambda: self._site.scancel(slurm_ids))

    async def snapshot(self, watch: Watch) -> Snapshot:
        """squeue first, then the backlog, then sacct, with time between them: what leaves one is in the next."""
        taken_at = self._world.now()
        live = await self._ask("squeue", self._site.squeue)
        if self._world.strikes("sacct_down"):
            return Snapshot(taken_at, False, _merge(watch, live, []))
        doubtful = watch.doubtful - {seen.name for seen in live}
        complete = not doubtful or await self._ask("sdiag", self._site.backlog) == 0
        ended = await self._ask("sacct", self._site.sacct)
        return Snapshot(taken_at, complete, _merge(watch, live, ended))

    async def submit(self, orders: Sequence[Order]) -> tuple[Receipt, ...]:
        """As the adapter does, an answer that was lost on the way leaves every order in doubt."""
        if self._world.strikes("sbatch_under_way"):
            for order in orders:
                self._world.later(self._world.dice.uniform(0, SBATCH_BOUND), lambda order=order: self._site.sbatch(order))  # type: ignore[misc]
            await self._gate.point("sbatch under way")
            return tuple(Receipt(order.name, doubt="no answer") for order in orders)
        try:
            return await self._ask("sbatch", lambda: tuple(self._site.sbatch(order) for order in orders))
        except Transient as error:
            return tuple(Receipt(order.name, doubt=str(error)) for order in orders)

    async def _ask(self, what: str, command: Callable[[], T]) -> T:
        if self._site.down_until > self._world.now():
            await self._gate.point(what)
            raise Transient(f"{what}: unable to contact slurm controller")
        if self._world.strikes("slurm_down"):
            self._site.down_until = self._world.now() + self._world.dice.uniform(10, 200)
        return await self._gate.call(what, command)


def _merge(watch: Watch, live: Sequence[Sighting], ended: Sequence[Sighting]) -> dict[str, tuple[Sighting, ...]]:
    jobs = {seen.slurm_id: seen for seen in ended if seen.name in watch.names}
    for seen in live:
        known = jobs.get(seen.slurm_id)
        if seen.name in watch.names and (known is None or not known.final):
            jobs[seen.slurm_id] = seen
    found: dict[str, tuple[Sighting, ...]] = {}
    for seen in sorted(jobs.values(), key=lambda seen: int(seen.slurm_id)):
        found[seen.name] = (*found.get(seen.name, ()), seen)
    return found
