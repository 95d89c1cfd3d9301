"""The leases of one cluster, in the ledger and in the site's lease files, which decide (job/leases.py)."""

from collections.abc import Iterable, Mapping

import structlog

from provider_daemon.job import leases
from provider_daemon.job.leases import Lease, LeaseState
from provider_daemon.ledger import leases as stored
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ports import Clock, PoolSite

log = structlog.get_logger("provd.leases")


class SiteLeases:
    """Methods that use the site raise as PoolSite."""

    def __init__(self, ledger: Ledger, site: PoolSite, cluster_id: str, cluster: str, clock: Clock) -> None:
        self._ledger = ledger
        self._site = site
        self._cluster_id = cluster_id
        self._cluster = cluster
        self._clock = clock

    def open(self) -> list[Lease]:
        return stored.open_leases(self._ledger, self._cluster_id)

    def holder(self, lease: Lease) -> str:
        """Returns the line that the lease file of the user must have."""
        return lease.held_by or leases.content(lease.customer, self._owner)

    @property
    def _owner(self) -> str:
        return leases.owner(self._ledger.get(meta.CHAIN_ID), self._cluster_id)

    async def read(self) -> None:
        """Applies all lease files of the site to the ledger."""
        files = await self._site.leases()
        self._follow({lease.user: "" for lease in self.open()} | dict(files))

    async def claim(self, claimed: Iterable[Lease]) -> set[str]:
        """Makes or renews lease files, and applies them. Returns the users whose files are as wanted."""
        wanted = {lease.user: self.holder(lease) for lease in claimed if not lease.held_by}
        if not wanted:
            return set()
        found = await self._site.claim(wanted)
        self._follow({user: found.get(user, "") for user in wanted})
        return {user for user in wanted if found.get(user) == wanted[user]}

    def _follow(self, files: Mapping[str, str]) -> None:
        changed = leases.follow(self.open(), files, self._owner, self._cluster_id, self._clock.now())
        if not changed:
            return
        with self._ledger.write():
            stored.save(self._ledger, changed)
        for lease in changed:
            self._tell(lease)

    def _tell(self, lease: Lease) -> None:
        where = {"cluster": self._cluster, "user": lease.user, "customer": lease.customer}
        if lease.state is LeaseState.FOREIGN:
            following = (
                "no job runs as this user; find out who put `found` into its lease file, then run "
                f"`provd site release {lease.user}`"
            )
            log.error("lease_foreign", **where, found=lease.held_by, next=following)
        elif lease.state is LeaseState.ENDED and not lease.held_by:
            following = (
                "the lease file at the site names another customer or cluster, so this lease ends; check "
                "whether another daemon uses the same pool"
            )
            log.error("lease_lost", **where, next=following)
        elif lease.state is LeaseState.LEASED:
            if lease.id:
                log.info("lease_confirmed", **where)
            else:
                log.info("lease_found", **where)
