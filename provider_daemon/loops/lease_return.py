"""Returns Unix users of the pool: when nothing of a customer is left, and after a quarantine."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from provider_daemon.errors import Transient, Unreadable
from provider_daemon.job import leases
from provider_daemon.job.leases import COMMAND_SECONDS, Lease, LeaseState
from provider_daemon.ledger import leases as stored
from provider_daemon.ledger import reconciliation
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.cluster import PoolPolicy, ServedCluster
from provider_daemon.loops.site_leases import SiteLeases
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock, PoolSite

log = structlog.get_logger("provd.leases")

RETURN_SECONDS = 60.0  # between two ticks
SHOWN = 5  # users in one log line


@dataclass(frozen=True, slots=True)
class Kept:
    """Why a user is not returned yet."""

    user: str
    why: str


class LeaseReturn:
    """The loop of one cluster. Each tick takes each lease one step further."""

    def __init__(
        self, ledger: Ledger, site: PoolSite, served: ServedCluster, clock: Clock, ongoing: OngoingProblems
    ) -> None:
        self._ledger = ledger
        self._leases = SiteLeases(ledger, site, served.cluster_id, served.name, clock)
        self._site = site
        self._served = served
        self._clock = clock
        self._ongoing = ongoing

    def reconfigure(self, served: ServedCluster) -> None:
        """Replaces the settings of the same cluster. A running tick uses them from here on."""
        self._served = served

    async def tick(self) -> None:
        """One user that cannot be returned does not stop the others."""
        policy = self._served.pool
        if policy is None:
            return
        self._begin(policy)
        kept = list[Kept]()
        for lease in self._leases.open():
            try:
                why = await self._step(lease, policy)
            except (Transient, Unreadable) as error:
                why = str(error)
            if why:
                kept.append(Kept(lease.user, why))
        self._tell(kept)

    def _begin(self, policy: PoolPolicy) -> None:
        """Begins to return the users of customers without open jobs and without results."""
        now = self._clock.now()
        busy = stored.open_customers(self._ledger, self._served.cluster_id)
        begun = [
            leases.begin_return(lease, now)
            for lease in self._leases.open()
            if lease.released_at is None
            and lease.customer not in busy
            and (lease.forced or (not lease.held_by and self._unused(lease, now - policy.results_seconds)))
        ]
        if not begun:
            return
        with self._ledger.write():
            stored.save(self._ledger, begun)
        for lease in begun:
            log.info("lease_returning", **self._words(lease))

    def _unused(self, lease: Lease, since: float) -> bool:
        """Returns whether the customer's last job as the user was closed before `since`."""
        return max(stored.last_closed(self._ledger, lease), lease.leased_at) <= since

    async def _step(self, lease: Lease, policy: PoolPolicy) -> str:
        """Returns why the user is not returned yet, "" if nothing is wrong."""
        if lease.state is LeaseState.RETURNING:
            return await self._clean(lease, policy)
        if lease.state is LeaseState.QUARANTINED and self._clock.now() >= (lease.free_at or 0.0):
            return await self._end(lease, policy)
        return ""

    async def _clean(self, lease: Lease, policy: PoolPolicy) -> str:
        """Deletes what is left of the customer, and begins the quarantine when nothing is."""
        # The ledger may be an older copy: what is deleted must be this customer's, and stay so meanwhile.
        if not lease.held_by and lease.user not in await self._leases.claim([lease]):
            return "" if lease not in self._leases.open() else "its lease file cannot be renewed"
        remains = await self._site.remains(lease.user)
        if why := leases.running(remains):
            return why
        if not lease.forced and (why := self._results(leases.job_names(remains))):
            return why
        # A customer who comes back waits until this command is over, however the daemon ends.
        cleaning = self._changed(lease, leases.begin_return(lease, self._clock.now()))
        if cleaning is None:
            return ""
        await self._site.clean(lease.user)
        if left := await self._site.remains(lease.user):
            return leases.running(left) or f"{len(left.entries)} entries of its directory cannot be deleted"
        after = leases.quarantine(cleaning, self._clock.now(), policy.quarantine_seconds)
        if self._changed(cleaning, after):
            log.info("lease_in_quarantine", **self._words(after), until=int(after.free_at or 0))
        return ""

    def _results(self, names: Sequence[str]) -> str:
        """Returns why the job directories must stay."""
        unknown = [name for name in names if reconciliation.job_by_name(self._ledger, name) is None]
        if unknown:
            return (
                f"{len(unknown)} directories of jobs that the ledger does not know, such as {unknown[0]}; "
                "`provd site release USER` deletes them"
            )
        if names and self._served.data is not None:
            return f"the data mover has not deleted the directories of {len(names)} jobs yet"
        return ""

    async def _end(self, lease: Lease, policy: PoolPolicy) -> str:
        """Frees the user, if nothing has appeared since it was cleaned."""
        if await self._site.remains(lease.user):
            self._changed(lease, leases.begin_return(lease, self._clock.now()))
            return "something has appeared in its quarantine; it is cleaned again"
        seconds = int(max(policy.quarantine_seconds, COMMAND_SECONDS))
        if not await self._site.end(lease.user, self._leases.holder(lease), seconds):
            await self._leases.read()
            return "its lease file was changed or used by another daemon meanwhile"
        if ended := self._changed(lease, leases.end(lease, self._clock.now())):
            log.info("lease_ended", **self._words(ended))
        return ""

    def _changed(self, before: Lease, after: Lease) -> Lease | None:
        """Stores a lease, unless it was changed meanwhile: its customer may have come back."""
        with self._ledger.write():
            if before not in self._leases.open():
                return None
            stored.save(self._ledger, [after])
        return after

    def _words(self, lease: Lease) -> dict[str, str]:
        return {"cluster": self._served.name, "user": lease.user, "customer": lease.customer}

    def _tell(self, kept: Sequence[Kept]) -> None:
        now, name = self._clock.now(), self._served.name
        why = "; ".join(f"{each.user}: {each.why}" for each in kept[:SHOWN])
        if why and self._ongoing.start("users_not_returned", name, now, why):
            following = (
                "these users get no new customer, and provd retries every minute; see `provd site leases`"
            )
            log.warning("users_not_returned", cluster=name, users=len(kept), why=why, next=following)
        elif not why and self._ongoing.clear("users_not_returned", name):
            log.info("users_returned", cluster=name)
