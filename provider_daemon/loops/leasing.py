"""Gives jobs a Unix user of the site's pool, so that a customer's jobs run as a user that nobody else has.

The rules are pure (job/leases.py); this is their order. Before a customer gets a new user, the site's lease
files are read: after a lost ledger they say who has which, and another daemon may share the pool. Then the
choice is stored, the site's file is made, and only the file that is read back confirms the lease. Before each
submission the files of its users are claimed again: a lease that the site gave to somebody else ends here.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import structlog

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job import leases
from provider_daemon.job.job import Job
from provider_daemon.job.leases import COMMAND_SECONDS, Lease, LeaseState
from provider_daemon.ledger import leases as stored
from provider_daemon.ledger.event_kind import EventKind
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.cluster import PoolPolicy
from provider_daemon.loops.site_leases import SiteLeases
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock, PoolSite

log = structlog.get_logger("provd.advance")


class Leasing:
    """The users of one cluster's pool."""

    def __init__(
        self,
        ledger: Ledger,
        site: PoolSite,
        cluster_id: str,
        cluster: str,
        clock: Clock,
        ongoing: OngoingProblems,
    ) -> None:
        self._ledger = ledger
        self._leases = SiteLeases(ledger, site, cluster_id, cluster, clock)
        self._cluster_id = cluster_id
        self._cluster = cluster
        self._clock = clock
        self._ongoing = ongoing
        self._claimed: dict[str, float] = {}  # user -> when its file was last read back as its customer's
        self._read = False  # whether all lease files were read since the start

    # --- before the poll ---

    async def assign(self, jobs: Sequence[Job], policy: PoolPolicy) -> list[Job]:
        """Returns the jobs, those that got a user with it. Without the site's files, the others wait."""
        if not policy.users or not jobs:
            return list(jobs)
        customers = dict.fromkeys(job.spec.customer for job in jobs if leases.needs_user(job))
        try:
            left = await self._lease(customers, policy.users)
        except (Transient, Unreadable) as error:
            self._tell_unusable(str(error))
        else:
            self._tell_unusable("")
            self._tell_exhausted(left)
        return self._given(jobs)

    async def _lease(self, customers: Iterable[str], pool: Sequence[str]) -> tuple[str, ...]:
        """Leases a user to each customer who has none. Returns those for whom none is free."""
        has = {lease.customer for lease in self._leased()}
        without = [customer for customer in customers if customer not in has]
        if not without and self._read:
            return ()
        await self._leases.read()
        self._read = True
        choice = leases.choose(pool, self._leases.open(), without, self._cluster_id, self._clock.now())
        if choice.leases:
            with self._ledger.write():
                stored.save(self._ledger, choice.leases)
        await self._claim(lease for lease in self._leases.open() if lease.state is LeaseState.CLAIMING)
        return choice.left

    def _given(self, jobs: Sequence[Job]) -> list[Job]:
        """Stores the user of each job that follows its customer's lease; "" if the lease was lost."""
        users = self._users()
        changed = {job.spec.job_id for job in jobs if leases.user_of(job, users) != job.user}
        if not changed:
            return list(jobs)
        now, given = self._clock.now(), dict[str, Job]()
        with self._ledger.write():
            for job_id in changed:
                if (newest := self._ledger.job(job_id)) is None:
                    continue
                given[job_id] = replace(newest, user=leases.user_of(newest, users))
                self._ledger.save_job(given[job_id])
                self._ledger.add_event(job_id, EventKind.USER, given[job_id].user or "none", now)
        return [given.get(job.spec.job_id, job) for job in jobs]

    def _users(self) -> dict[str, str]:
        """Returns customer -> user. A customer with two has the first one."""
        leased = sorted(self._leased(), key=lambda lease: (lease.leased_at, lease.user), reverse=True)
        return {lease.customer: lease.user for lease in leased}

    # --- before a submission ---

    async def renew(self, users: Collection[str]) -> None:
        """Claims the users of submissions that are about to start; those that fail are not admitted."""
        try:
            await self._claim(lease for lease in self._leased() if lease.user in users)
        except (Transient, Unreadable) as error:
            self._tell_unusable(str(error))

    def admitted(self, jobs: Iterable[Job]) -> set[str]:
        """Returns the ids of the jobs that may be submitted now, as far as their users are concerned.

        The submission must be over COMMAND_SECONDS after the claim: until then no daemon gives the user away.
        """
        now = self._clock.now()
        mine = {
            lease.user: lease.customer for lease in self._leases.open() if lease.state is LeaseState.LEASED
        }
        fresh = {user for user, at in self._claimed.items() if 0 <= now - at < COMMAND_SECONDS / 2}
        return {
            job.spec.job_id
            for job in jobs
            if not job.user or (job.user in fresh and mine.get(job.user) == job.spec.customer)
        }

    def _leased(self) -> list[Lease]:
        return [lease for lease in self._leases.open() if lease.state is LeaseState.LEASED]

    async def _claim(self, claimed: Iterable[Lease]) -> None:
        now = self._clock.now()
        self._claimed |= dict.fromkeys(await self._leases.claim(claimed), now)

    # --- what lasts ---

    def _tell_exhausted(self, left: Sequence[str]) -> None:
        why = f"{len(left)} customers have jobs and no Unix user" if left else ""
        if why and self._ongoing.start("pool_exhausted", self._cluster, self._clock.now(), why):
            following = "their jobs wait until a user is returned; add users to clusters.pool.users"
            log.warning("pool_exhausted", cluster=self._cluster, why=why, next=following)
        elif not why and self._ongoing.clear("pool_exhausted", self._cluster):
            log.info("pool_sufficient", cluster=self._cluster)

    def _tell_unusable(self, why: str) -> None:
        if why and self._ongoing.start("lease_files_unusable", self._cluster, self._clock.now(), why):
            following = (
                "jobs of customers without a Unix user wait; check the directory work_root/.provd-leases"
            )
            log.warning("lease_files_unusable", cluster=self._cluster, why=why, next=following)
        elif not why and self._ongoing.clear("lease_files_unusable", self._cluster):
            log.info("lease_files_usable", cluster=self._cluster)
