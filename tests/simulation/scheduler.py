"""ports.Scheduler over the model of SLURM, with everything that can happen to a command on its way there and back.

The adapter's own reading of rows is used (accounting, merge); the commands and their texts are not.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from provider_daemon.errors import Transient
from provider_daemon.job.lifecycle import SBATCH_BOUND
from provider_daemon.job.snapshot import Phase, Sighting, Snapshot
from provider_daemon.ports import Clock, Node, Order, Receipt, Watch
from provider_daemon.slurm import accounting
from tests.simulation.gate import Gate
from tests.simulation.site import Site
from tests.simulation.world import World

T = TypeVar("T")
HOSTS = tuple(Node(name, "IDLE", True, False, 16, 0, 65536, 0, 2, 0, "a100") for name in ("n1", "n2", "n3"))
LATEST = 75  # seconds: the far side's own limit on a command, and the near side's patience beyond it


class SimulatedScheduler:
    def __init__(self, world: World, site: Site, gate: Gate, clock: Clock) -> None:
        self._world = world
        self._site = site
        self._gate = gate
        self._clock = clock

    async def version(self) -> str:
        return "24.11.5"

    async def close(self) -> None:
        pass

    async def nodes(self) -> tuple[Node, ...]:
        return await self._ask("scontrol", lambda: HOSTS)

    async def cancel(self, slurm_ids: Mapping[str, str]) -> None:
        ours = [job.slurm_id for job in self._site.jobs if slurm_ids.get(job.name) == job.slurm_id]
        await self._ask(f"scancel {' '.join(ours)}", lambda: self._site.scancel(ours))

    async def snapshot(self, watch: Watch) -> Snapshot:
        """squeue, then the backlog, then sacct, with time between them, as the adapter asks: what leaves one is in the next."""
        taken_at = self._clock.now()
        if self._world.strikes("squeue_down"):
            await self._gate.point("squeue")
            raise Transient("squeue: unable to contact slurm controller")
        rows = await self._ask("squeue", self._site.squeue)
        live = [accounting.live(row) for row in rows if row.name in watch.names and row.submitted_at >= watch.since]
        missing = watch.names - {seen.name for seen in live if seen.phase is not Phase.ENDING}
        doubtful = (watch.doubtful & missing) - {seen.name for seen in live}
        try:
            complete = not doubtful or await self._ask("sdiag", self._site.backlog) == 0
            ended = await self._accounting(watch, missing) if missing else []
        except Transient:
            complete, ended = False, []
        return Snapshot(taken_at, complete, accounting.merge(live, ended))

    async def _accounting(self, watch: Watch, missing: frozenset[str]) -> list[Sighting]:
        if self._world.strikes("sacct_down"):
            await self._gate.point("sacct")
            raise Transient("sacct: problem talking to the database")
        ids = {watch.slurm_ids[name] for name in missing if name in watch.slurm_ids}
        names = missing - watch.slurm_ids.keys()
        return accounting.by_job(await self._ask("sacct", lambda: self._site.sacct(ids, names)), missing, watch.since)

    async def submit(self, orders: Sequence[Order]) -> tuple[Receipt, ...]:
        """An answer that was lost, or cut in the middle, leaves its orders in doubt.

        The command runs at most once: nothing between us and sbatch repeats it (one SSH channel, one payload; sbatch itself tries again
        only what slurmctld refused to take).
        """
        if self._world.strikes("sbatch_under_way"):
            for order in orders:
                self._world.later(self._world.dice.uniform(0, SBATCH_BOUND), lambda order=order: self._site.sbatch(order))  # type: ignore[misc]
            await self._gate.point("sbatch under way")
            return tuple(Receipt(order.name, doubt="no answer") for order in orders)
        try:
            receipts = await self._ask("sbatch", lambda: tuple(self._site.sbatch(order) for order in orders), once=True)
        except Transient as error:
            return tuple(Receipt(order.name, doubt=str(error)) for order in orders)
        if self._world.strikes("receipts_cut"):
            arrived = self._world.dice.randrange(len(receipts))
            return (*receipts[:arrived], *(Receipt(order.name, doubt="its answer did not arrive") for order in orders[arrived:]))
        return receipts

    async def _ask(self, what: str, command: Callable[[], T], *, once: bool = False) -> T:
        if self._site.down_until > self._world.now():
            await self._gate.point(what)
            raise Transient(f"{what}: unable to contact slurm controller")
        if self._world.strikes("slurm_down"):
            self._site.down_until = self._world.now() + self._world.broken_for(10, 200)
        return await self._gate.call(what, command, latest=LATEST, once=once)
