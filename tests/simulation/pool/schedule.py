"""A schedule with a pool: three customers, few users, a daemon of another cluster, and one of the same."""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

from provider_daemon.job.job import Job
from provider_daemon.job.leases import LeaseState, content, needs_user
from provider_daemon.job.spec import Spec
from provider_daemon.job.state import TERMINAL
from provider_daemon.ledger import leases as stored
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.cluster import PoolPolicy
from tests.fakes.chain import ALICE, BOB, person
from tests.simulation import schedule
from tests.simulation.invariants import Scene
from tests.simulation.life import Life
from tests.simulation.pool.site import OURS, USERS, PooledSite, PooledSiteCalls
from tests.simulation.schedule import Result, Schedule
from tests.simulation.slurm_job import Plan
from tests.simulation.world import World

POOL: dict[str, float] = {
    "lease_answer_lost": 0.3,
    "lease_files_down": 0.1,
    "process_stays": 0.5,
    "files_stay": 0.4,
    "other_cluster_leases": 0.2,
    "other_daemon_returns": 0.3,
    "other_daemon_leases": 0.2,
}
CUSTOMERS = (ALICE.address, BOB.address, person("carol").address)
STRANGER = "ve1stranger simulated-1/HPC-2"
# seconds from calm to the end: customers may have to wait for one another
SETTLE = 9000
FORCED_AFTER = 200  # seconds after which the operator returns a user with directories of unknown jobs


def play(seed: int) -> Result:
    return schedule.play(seed, PoolSchedule)


class PoolSchedule(Schedule):
    site = PooledSite
    settle_seconds = SETTLE

    def __init__(self, world: World, path: Path) -> None:
        super().__init__(world, path)
        self._dice = random.Random(world.seed ^ 0x9001)
        chosen = self._dice.sample(sorted(POOL), self._dice.randint(2, len(POOL)))
        faults = sorted({*chosen, *self._always()})
        world.chances |= {fault: POOL[fault] * self._dice.uniform(0.2, 1) for fault in faults}
        users = USERS[: self._dice.choice((1, 2, 2))]
        self._policy = PoolPolicy(users, self._dice.choice((120.0, 200.0)), self._dice.choice((0.0, 60.0)))
        assert isinstance(self._site, PooledSite)
        self._pooled = self._site
        self._pooled.customer_of, self._pooled.open_on_chain = self._customer_of, self._open_on_chain
        self._pooled.pool(world, self._policy.quarantine_seconds)

    def _always(self) -> frozenset[str]:
        """Returns faults that every schedule has: the search for wrong versions sets them."""
        return frozenset()

    def _life(self, periods: dict[str, float], path: Path) -> Life:
        life = super()._life({**periods, "leases": 20}, path)
        life.pool = PooledSiteCalls(self._pooled, life.gate), self._policy
        return life

    def _job(self, number: int) -> tuple[Spec, Plan]:
        spec, plan = super()._job(number)
        return replace(spec, customer=self._dice.choice(CUSTOMERS)), plan

    def _scene(self, ledger: Ledger) -> Scene:
        return replace(super()._scene(ledger), in_vain=lambda job: self._in_vain(ledger, job))

    def _in_vain(self, ledger: Ledger, job: Job) -> bool:
        """Reports whether every user belongs to a customer whose job is parked, or unreadable on chain."""
        if job.user or not needs_user(job):
            return False
        held = {each.spec.customer for each in ledger.open_jobs("HPC-1") if each.parked or each.hold}
        keeping = [lease for lease in stored.open_leases(ledger, "HPC-1") if lease.customer in held]
        return len(keeping) >= len(self._policy.users)

    # --- what the site asks ---

    def _customer_of(self, name: str) -> str:
        records = [*self._blocks.books.jobs.values(), *(lie.record for lie in self._invented)]
        return next((record.spec.customer for record in records if record.slurm_name == name), "")

    def _open_on_chain(self, name: str) -> bool:
        records = self._blocks.books.jobs.values()
        return any(record.slurm_name == name and record.state not in TERMINAL for record in records)

    # --- whoever else is there ---

    async def _machine(self) -> None:
        await asyncio.gather(super()._machine(), self._pool_machine())

    async def _pool_machine(self) -> None:
        while True:
            await asyncio.sleep(self._dice.uniform(10, 40))
            self._delete_results()
            user = self._dice.choice(self._policy.users)
            if self._world.strikes("other_cluster_leases") and user not in self._pooled.files:
                self._other_cluster(user)
            elif self._world.strikes("other_daemon_returns"):
                self._other_daemon_returns(user)
            elif self._world.strikes("other_daemon_leases"):
                self._pooled.claim({user: content(self._dice.choice(CUSTOMERS), OURS)})
            if self._path.exists():
                self._operator()

    def _delete_results(self) -> None:
        """The data mover deletes the directories of closed jobs."""
        for user in USERS if self._mover.present else ():
            entries = self._pooled.entries[user]
            self._pooled.entries[user] = {
                name: who for name, who in entries.items() if self._open_on_chain(name.rpartition(".")[0])
            }

    def _other_cluster(self, user: str) -> None:
        """A daemon of another cluster has the user for a while."""
        self._world.note(f"other cluster: leases {user}")
        self._pooled.claim({user: STRANGER})
        self._pooled.use(user, STRANGER)
        self._world.later(self._world.broken_for(20, 200), lambda: self._other_cluster_ends(user))

    def _other_cluster_ends(self, user: str) -> None:
        self._pooled.use(user, STRANGER)
        quarantine = self._policy.quarantine_seconds
        self._world.later(quarantine + 1, lambda: self._pooled.end(user, STRANGER, 0))
        self._world.trouble_until = max(self._world.trouble_until, self._world.loop.time() + quarantine + 1)

    def _other_daemon_returns(self, user: str) -> None:
        """Another daemon of this cluster returns a user, by the same rules."""
        file, site = self._pooled.files.get(user), self._pooled
        if file is None or file.line == STRANGER or not self._unused(user, file.line):
            return
        self._world.note(f"other daemon: returns {user}")
        site.claim({user: file.line})
        site.entries[user] = {}
        quarantine = self._policy.quarantine_seconds
        self._world.later(
            quarantine + 1,
            lambda: site.remains(user) or site.end(user, file.line, int(quarantine)),
        )

    def _unused(self, user: str, line: str) -> bool:
        remains, customer = self._pooled.remains(user), line.partition(" ")[0]
        jobs = [record for record in self._blocks.books.jobs.values() if record.spec.customer == customer]
        return not (remains.jobs or remains.processes) and all(record.state in TERMINAL for record in jobs)

    def _operator(self) -> None:
        """Returns users by hand whose directories the ledger does not know."""
        ledger = Ledger.open(self._path, lock=False)
        stuck = [
            replace(lease, forced=True)
            for lease in stored.open_leases(ledger, "HPC-1")
            if lease.state is LeaseState.RETURNING
            and not lease.forced
            and self._world.now() > (lease.released_at or 0) + FORCED_AFTER
        ]
        if stuck and self._world.now() >= self._world.disk_full_until:
            with ledger.write():
                stored.save(ledger, stuck)
            self._world.note(f"operator: releases {', '.join(lease.user for lease in stuck)}")
        ledger.close()
