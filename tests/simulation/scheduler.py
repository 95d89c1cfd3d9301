"""The port Scheduler over the model of SLURM, with all faults of a command in both directions.

The adapter's order of queries and parsing of rows are under test; the commands, their texts and the transport
are not.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from provider_daemon.errors import Transient
from provider_daemon.job.lifecycle import SUBMIT_SECONDS
from provider_daemon.job.maintenance import Reservation
from provider_daemon.ports import Clock, Node, Submission, SubmissionResult
from provider_daemon.slurm.accounting import AccountingRow
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.parse import Queued
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.tables import Reading, Unread
from provider_daemon.slurm.transport import CommandResult
from tests.simulation.gate import Gate
from tests.simulation.site import Site
from tests.simulation.world import World

T = TypeVar("T")
HOSTS = tuple(Node(name, "IDLE", True, False, 16, 0, 65536, 0, 2, 0, "a100") for name in ("n1", "n2", "n3"))
# seconds: the remote limit of a command, plus the local client's additional patience
LATEST = 75


class Nowhere:
    """No transport: the model answers before the adapter sends anything."""

    async def run(self, program: str, payload: bytes, seconds: float) -> CommandResult:
        raise AssertionError(f"not simulated: {program}")

    async def close(self) -> None:
        pass


class SimulatedScheduler(SlurmScheduler):
    def __init__(self, world: World, site: Site, gate: Gate, clock: Clock) -> None:
        super().__init__(SiteLogins(Nowhere()), clock)
        self._world = world
        self._site = site
        self._gate = gate

    async def nodes(self) -> tuple[Node, ...]:
        return await self._far("scontrol", self._nodes)

    def _nodes(self) -> tuple[Node, ...]:
        drained = self._site.drained
        return tuple(
            replace(node, slurm_state="IDLE+DRAIN", usable=False, draining=True, reason=drained[node.host])
            if node.host in drained
            else node
            for node in HOSTS
        )

    async def drain(self, host: str, reason: str) -> None:
        await self._far("scontrol update", lambda: self._site.drained.update({host: reason}))

    async def undrain(self, host: str) -> None:
        await self._far("scontrol update", lambda: self._site.drained.pop(host, None))

    async def reservations(self) -> tuple[Reservation, ...]:
        return await self._far("scontrol", lambda: ())

    async def _scancel(self, slurm_ids: Sequence[str]) -> None:
        await self._far(f"scancel {' '.join(slurm_ids)}", lambda: self._site.scancel(slurm_ids))

    async def _queue(self) -> Reading[Queued]:
        if self._world.strikes("squeue_down"):
            await self._gate.point("squeue")
            raise Transient("squeue: unable to contact slurm controller")
        rows = await self._far("squeue", self._site.squeue)
        if rows and self._world.strikes("record_unreadable"):
            lost = rows[self._world.dice.randrange(len(rows))]
            unread = Unread(
                lost.name, "not a SLURM state", whole=True, slurm_id=lost.slurm_id, name=lost.name
            )
            return Reading(tuple(row for row in rows if row is not lost), (unread,))
        return Reading(tuple(rows))

    async def _links(self, root: str, user: str, names: Sequence[str]) -> dict[str, str]:
        if self._world.strikes("claims_unreadable"):
            await self._gate.point("find")
            raise Transient("find: input/output error")
        return await self._far("find", lambda: self._site.claims.of(names))

    async def _backlog(self) -> int:
        return await self._far("sdiag", self._site.backlog)

    async def _script(self, slurm_id: str, user: str) -> str:
        return await self._far("scontrol write batch_script", lambda: self._site.script(slurm_id))

    async def _rows(
        self, ids: Sequence[str], names: Sequence[str], since: int
    ) -> tuple[Reading[AccountingRow], str]:
        if self._world.strikes("sacct_down"):
            await self._gate.point("sacct")
            raise Transient("sacct: problem talking to the database")
        return await self._sacct(ids, names), ""

    async def _since(self, since: int) -> tuple[int, Reading[AccountingRow]]:
        return int(self._world.now()), await self._sacct((), ())

    async def _sacct(self, ids: Sequence[str], names: Sequence[str]) -> Reading[AccountingRow]:
        rows = await self._far("sacct", lambda: self._site.sacct(ids, names))
        if rows and self._world.strikes("record_unreadable"):
            lost = rows[self._world.dice.randrange(len(rows))]
            unread = Unread(
                lost.name,
                "not a time",
                whole=True,
                slurm_id=lost.slurm_id,
                name=f"{lost.name} {lost.directory}",
            )
            return Reading(tuple(row for row in rows if row is not lost), (unread,))
        return Reading(tuple(rows))

    async def submit(self, orders: Sequence[Submission]) -> tuple[SubmissionResult, ...]:
        """Submits the orders.

        An answer that is a problem of the site is not an attempt; any other submission may be one.
        """
        counts = self._site.attempts = self._site.attempts if self._site.attempts is not None else Counter()
        counts.update(order.name for order in orders)
        receipts = await self._submit(orders)
        counts.subtract(receipt.name for receipt in receipts if receipt.trouble)
        return receipts

    async def _submit(self, orders: Sequence[Submission]) -> tuple[SubmissionResult, ...]:
        """Submits; if an answer is lost or cut in the middle, its orders have an unknown outcome.

        The command runs at most once: nothing between us and sbatch repeats it (one SSH channel, one payload;
        sbatch itself repeats only what slurmctld refused to accept).
        """
        dies = self._world.strikes("kill_while_submitting")
        if dies or self._world.strikes("sbatch_under_way"):
            for order in orders:
                self._world.later(
                    self._world.dice.uniform(0, SUBMIT_SECONDS),
                    lambda order=order: self._site.sbatch(order),  # type: ignore[misc]
                )
            if dies:
                self._gate.die("sbatch under way")
            await self._gate.point("sbatch under way")
            return tuple(SubmissionResult(order.name, unknown="no answer") for order in orders)
        try:
            receipts = await self._far(
                "sbatch", lambda: tuple(self._site.sbatch(order) for order in orders), once=True
            )
        except Transient as error:
            return tuple(SubmissionResult(order.name, unknown=str(error)) for order in orders)
        if self._world.strikes("receipts_cut"):
            arrived = self._world.dice.randrange(len(receipts))
            return (
                *receipts[:arrived],
                *(
                    SubmissionResult(order.name, unknown="its answer did not arrive")
                    for order in orders[arrived:]
                ),
            )
        return receipts

    async def _far(self, what: str, command: Callable[[], T], *, once: bool = False) -> T:
        if self._site.down_until > self._world.now():
            await self._gate.point(what)
            raise Transient(f"{what}: unable to contact slurm controller")
        if self._world.strikes("slurm_down"):
            self._site.down_until = self._world.now() + self._world.broken_for(10, 200)
        return await self._gate.call(what, command, latest=LATEST, once=once)
