"""The site with a pool of Unix users: lease files, directories and processes. It outlives the daemon.

Invariants 16 and 17 are checked here, at each submission and each deletion.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from provider_daemon.errors import Transient
from provider_daemon.job.leases import Remains, customer_in
from provider_daemon.ports import Submission
from tests.simulation.gate import Gate
from tests.simulation.site import Site
from tests.simulation.slurm_job import SlurmJob
from tests.simulation.world import World

T = TypeVar("T")
USERS = ("u1", "u2")
OURS = "simulated-1/HPC-1"
LATEST = 75  # seconds: the remote limit of a command, plus the daemon's patience


@dataclass
class LeaseFile:
    line: str
    claimed_at: float


class PooledSite(Site):
    """`customer_of`: SLURM name -> customer. `open_on_chain`: whether the chain has the job of a name open.

    `quarantine`: seconds between two customers of a user, as configured. The schedule sets all three.
    """

    customer_of: Callable[[str], str]
    open_on_chain: Callable[[str], bool]
    quarantine: float

    def pool(self, world: World, quarantine: float) -> None:
        """Adds what belongs to the pool; called once, by the schedule."""
        self.world, self.quarantine = world, quarantine
        self.files: dict[str, LeaseFile] = {}
        self.entries: dict[str, dict[str, str]] = {user: {} for user in USERS}  # name -> customer
        self.running: dict[str, list[tuple[str, SlurmJob]]] = {user: [] for user in USERS}
        self.busy_until = dict.fromkeys(USERS, 0.0)
        self.used: dict[str, tuple[str, float]] = {}  # user -> its last customer, and until when

    # --- SLURM ---

    def _accept(self, order: Submission) -> SlurmJob:
        job = super()._accept(order)
        self._serve(order.user, self.customer_of(order.name), job, order)
        return job

    def _serve(self, user: str, customer: str, job: SlurmJob, order: Submission) -> None:
        """16: the user is the customer's, and the one before is gone for the whole quarantine."""
        now, world = self.world.now(), self.world
        if not user:
            world.wrong(f"16 {order.name} was submitted as the shared user")
            return
        if not order.directory.startswith(f"/work/{user}/"):
            world.wrong(f"16 {order.name} has its directory outside that of {user}: {order.directory}")
        line = self.files[user].line if user in self.files else ""
        if customer_in(line, OURS) != customer:
            world.wrong(f"16 {user} runs a job of {customer[-4:]}, and its lease file says {line!r}")
        self.use(user, customer)
        self.running[user].append((customer, job))
        self.entries[user][order.directory.rpartition("/")[2]] = customer
        if self.world.strikes("process_stays"):
            self.busy_until[user] = now + world.broken_for(20, 300)

    def use(self, user: str, customer: str) -> None:
        """16, also for the other daemon's customers."""
        before, until = self.last_use(user)
        if before not in ("", customer) and self.world.now() < until + self.quarantine:
            self.world.wrong(
                f"16 {user} serves {customer[-4:]} {self.world.now() - until:.0f} s after {before[-4:]}"
            )
        if before not in ("", customer) and self.world.now() < self.busy_until[user]:
            self.world.wrong(f"16 {user} serves {customer[-4:]}, and a process of {before[-4:]} still runs")
        if set(self.entries[user].values()) - {customer}:
            self.world.wrong(f"16 {user} serves {customer[-4:]}, with files of another customer")
        self.used[user] = customer, self.world.now()

    def last_use(self, user: str) -> tuple[str, float]:
        """Returns the last customer of the user, and when his last SLURM job ended."""
        customer, until = self.used.get(user, ("", 0.0))
        jobs = [job for who, job in self.running[user] if who == customer]
        ends = [self.world.now() if job.live else job.now_at.ended_at for job in jobs]
        return customer, max([until, *ends])

    # --- the pool's commands ---

    def leases(self) -> dict[str, str]:
        return {user: file.line for user, file in self.files.items()}

    def claim(self, wanted: Mapping[str, str]) -> dict[str, str]:
        for user, line in wanted.items():
            file = self.files.setdefault(user, LeaseFile(line, self.world.now()))
            if file.line == line:
                file.claimed_at = self.world.now()
        return {user: self.files[user].line for user in wanted}

    def end(self, user: str, holder: str, seconds: int) -> bool:
        file = self.files.get(user)
        if file is None:
            return True
        if file.line != holder or self.world.now() - file.claimed_at < seconds:
            return False
        del self.files[user]
        self.world.note(f"site: the lease file of {user} is removed")
        return True

    def remains(self, user: str) -> Remains:
        live = tuple(job.slurm_id for _, job in self.running[user] if job.live)
        return Remains(int(self.world.now() < self.busy_until[user]), live, tuple(self.entries[user]))

    def clean(self, user: str) -> None:
        """17: nothing of a job that is still open on chain is deleted."""
        if self.world.strikes("files_stay"):
            return
        for name, customer in self.entries[user].items():
            job_name = name.rpartition(".")[0]
            if customer and self.open_on_chain(job_name):
                self.world.wrong(f"17 the files of {job_name} were deleted while the job is open")
        self.entries[user] = {}
        self.world.note(f"site: everything of {user} is deleted")


class PooledSiteCalls:
    """The port PoolSite over the model, through the gate of one life of the daemon."""

    def __init__(self, site: PooledSite, gate: Gate) -> None:
        self._site = site
        self._gate = gate
        self._world = site.world

    async def leases(self) -> Mapping[str, str]:
        return await self._far("lease files", self._site.leases)

    async def claim(self, wanted: Mapping[str, str]) -> Mapping[str, str]:
        found = await self._far("claim", lambda: self._site.claim(wanted))
        if self._world.strikes("lease_answer_lost"):
            raise Transient("the lease files: no answer")
        return found

    async def end(self, user: str, holder: str, seconds: int) -> bool:
        return await self._far(f"end of {user}", lambda: self._site.end(user, holder, seconds))

    async def remains(self, user: str) -> Remains:
        return await self._far(f"rest of {user}", lambda: self._site.remains(user))

    async def clean(self, user: str) -> None:
        await self._far(f"removal of {user}'s files", lambda: self._site.clean(user))

    async def _far(self, what: str, command: Callable[[], T]) -> T:
        if self._world.strikes("lease_files_down"):
            await self._gate.point(what)
            raise Transient(f"{what}: stale file handle")
        return await self._gate.call(what, command, latest=LATEST)
