"""Errors about the Unix users of a pool: who gets one, and what is left when the next customer does."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from provider_daemon.job import leases
from provider_daemon.job.leases import Lease
from provider_daemon.ledger import leases as stored
from provider_daemon.loops.lease_return import LeaseReturn
from provider_daemon.loops.leasing import Leasing
from provider_daemon.loops.site_leases import SiteLeases
from tests.simulation.wrong import Changes


async def unread(self: Any, claimed: Iterable[Lease]) -> set[str]:
    """The ledger's choice counts, whatever the site's file says."""
    now, chosen = self._clock.now(), list(claimed)
    with self._ledger.write():
        stored.save(
            self._ledger, [replace(lease, confirmed_at=lease.confirmed_at or now) for lease in chosen]
        )
    return {lease.user for lease in chosen}


async def not_renewed(self: Any, users: Collection[str]) -> None:
    self._claimed |= dict.fromkeys(users, self._clock.now())


def free_at_once(lease: Lease, now: float, seconds: float) -> Lease:
    return replace(lease, free_at=now)


async def ended_at_once(self: Any, lease: Lease, policy: Any) -> str:
    """The age of the lease file is not asked for."""
    if await self._site.end(lease.user, self._leases.holder(lease), 0):
        self._changed(lease, leases.end(lease, self._clock.now()))
    return ""


async def not_cleaned(self: Any, lease: Lease, policy: Any) -> str:
    self._changed(lease, leases.quarantine(lease, self._clock.now(), policy.quarantine_seconds))
    return ""


async def ended_with_its_files(self: Any, lease: Lease, policy: Any) -> str:
    if await self._site.end(lease.user, self._leases.holder(lease), int(policy.quarantine_seconds)):
        self._changed(lease, leases.end(lease, self._clock.now()))
    return ""


POOL: dict[str, Changes] = {
    "a lease counts without the site's file": ((SiteLeases, "claim", unread),),
    "a lease is not claimed again": ((Leasing, "renew", not_renewed),),
    "a user has no quarantine": (
        (leases, "quarantine", free_at_once),
        (LeaseReturn, "_end", ended_at_once),
    ),
    "a user is returned with its files": (
        (LeaseReturn, "_clean", not_cleaned),
        (LeaseReturn, "_end", ended_with_its_files),
    ),
}
