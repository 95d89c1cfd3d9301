"""A fake of the scheduler port: the test controls its jobs and can lose its answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from provider_daemon.errors import Refused, Transient
from provider_daemon.job.maintenance import Reservation
from provider_daemon.job.site_trouble import SiteTrouble
from provider_daemon.job.snapshot import Phase, Run, Sighting, Snapshot
from provider_daemon.job.state import State
from provider_daemon.ports import Node, Submission, SubmissionResult, Survey, Watch
from tests.fakes.chain import FakeClock

RAN_SECONDS = 3600


def known(slurm_ids: Mapping[str, str], submitted: Mapping[str, int] | None = None) -> Watch:
    """Returns jobs with the given SLURM ids and, if given, submit times."""
    return Watch(frozenset(slurm_ids), slurm_ids, submitted=submitted or {})


@dataclass
class FakeScheduler:
    """The fake scheduler.

    `lose_answers`: sbatch succeeds and its answer never arrives. `down`: nothing answers. `refusal`: sbatch's
    error for every order. `full`: SLURM accepts no more jobs. `trouble`: the answer to every order, of which
    nothing was queued. `may_drain`: the login is an operator of SLURM.
    """

    clock: FakeClock
    jobs: dict[str, list[Sighting]] = field(default_factory=dict)
    orders: list[Submission] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    lose_answers: bool = False
    down: bool = False
    complete: bool = True
    refusal: str = ""
    full: bool = False
    trouble: SubmissionResult | None = None
    refused_orders: list[Submission] = field(default_factory=list)
    hosts: int = 2
    reserved: tuple[Reservation, ...] = ()
    clock_ahead: int = 0
    surveys: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    drained: dict[str, str] = field(default_factory=dict)  # host -> reason
    may_drain: bool = True

    async def version(self) -> str:
        return "24.11.5"

    async def snapshot(self, watch: Watch) -> Snapshot:
        self._answer()
        return Snapshot(
            self.clock.now(),
            self.complete,
            {name: tuple(found) for name, found in self.jobs.items() if name in watch.names},
        )

    async def survey(self, since: int, ours: Watch) -> Survey:
        self._answer()
        self.surveys.append((since, dict(ours.slurm_ids)))
        snapshot = Snapshot(
            self.clock.now(), self.complete, {name: tuple(found) for name, found in self.jobs.items()}
        )
        return Survey(snapshot, int(self.clock.now()) + self.clock_ahead)

    async def submit(self, orders: Sequence[Submission]) -> tuple[SubmissionResult, ...]:
        self._answer()
        return tuple(self._accept(order) for order in orders)

    def _accept(self, order: Submission) -> SubmissionResult:
        if self.trouble:
            self.refused_orders.append(order)
            return replace(self.trouble, name=order.name)
        if self.full:
            return SubmissionResult(
                order.name, deferral="the site's account has reached its job limit", trouble=SiteTrouble.FULL
            )
        if self.refusal:
            return SubmissionResult(order.name, refusal=self.refusal)
        self.orders.append(order)
        slurm_id = str(len(self.orders))
        at = int(self.clock.now())
        seen = Sighting(
            slurm_id, order.name, Phase.WAITING, "PENDING", submitted_at=at, directory=order.directory
        )
        self.jobs.setdefault(order.name, []).append(seen)
        return (
            SubmissionResult(order.name, unknown="no answer")
            if self.lose_answers
            else SubmissionResult(order.name, slurm_id=slurm_id)
        )

    async def cancel(self, ours: Watch) -> None:
        self._answer()
        for name, slurm_id in ours.slurm_ids.items():
            self.cancelled.append(slurm_id)
            self.jobs[name] = [
                _ended(seen, State.CANCELLED) if seen.slurm_id == slurm_id else seen
                for seen in self.jobs.get(name, [])
            ]

    async def nodes(self) -> tuple[Node, ...]:
        self._answer()
        return tuple(self._node(f"n{number}") for number in range(1, self.hosts + 1))

    def _node(self, host: str) -> Node:
        node = Node(host, "IDLE", True, False, 16, 0, 65536, 0, 2, 0, "a100")
        if host not in self.drained:
            return node
        return replace(node, slurm_state="IDLE+DRAIN", usable=False, draining=True, reason=self.drained[host])

    async def drain(self, host: str, reason: str) -> None:
        self._update_node()
        self.drained[host] = reason

    async def undrain(self, host: str) -> None:
        self._update_node()
        self.drained.pop(host, None)

    def _update_node(self) -> None:
        self._answer()
        if not self.may_drain:
            raise Refused("scontrol update failed (1): slurm_update error: Invalid user id")

    async def reservations(self) -> tuple[Reservation, ...]:
        self._answer()
        return self.reserved

    async def close(self) -> None:
        pass

    def _answer(self) -> None:
        if self.down:
            raise Transient("squeue failed (1): Unable to contact slurm controller")

    # --- the test's controls ---

    def run(self) -> None:
        """Starts every waiting job."""
        for name, found in self.jobs.items():
            self.jobs[name] = [
                replace(seen, phase=Phase.RUNNING, slurm_state="RUNNING")
                if seen.phase is Phase.WAITING
                else seen
                for seen in found
            ]

    def end(self, outcome: State, exit_code: int = 0) -> None:
        """Ends every live job, with its closed accounting record."""
        for name, found in self.jobs.items():
            self.jobs[name] = [seen if seen.final else _ended(seen, outcome, exit_code) for seen in found]


def _ended(seen: Sighting, outcome: State, exit_code: int = 0) -> Sighting:
    start = seen.submitted_at
    ran = Run(elapsed=RAN_SECONDS, cpus=2, memory_mib=4096, nodes=1, start=start, end=start + RAN_SECONDS)
    runs = (ran if seen.phase is Phase.RUNNING else Run(0, 0, 0, 0),)
    return replace(
        seen,
        phase=Phase.ENDED,
        slurm_state=outcome.upper(),
        outcome=outcome,
        exit_code=exit_code,
        runs=runs,
        elapsed=0,
        final=True,
    )
