"""The ledger and the chain as the mover uses them."""

from collections.abc import Collection, Iterable

from provider_daemon.encryption.lookup import KeyChain, usable_key
from provider_daemon.encryption.recipients import NoKey
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.mover.facts import JobFacts, facts_of


class LedgerJobs:
    """Implements ports.Ledger."""

    def __init__(self, guest: LedgerGuest, pooled: Collection[str] = ()) -> None:
        """`pooled`: ids of the clusters whose new jobs get a Unix user of a pool."""
        self._guest = guest
        self._pooled = pooled

    def open_jobs(self, cluster_id: str) -> list[JobFacts]:
        pooled = cluster_id in self._pooled
        return [facts_of(job, pooled) for job in self._guest.open_jobs(cluster_id)]

    def leased_users(self, cluster_id: str) -> list[str]:
        return self._guest.leased_users(cluster_id)

    def jobs(self, job_ids: Iterable[str]) -> list[JobFacts]:
        return [facts_of(job) for job in self._guest.jobs(job_ids)]

    def closed_since(self, cluster_id: str, since: float, after: str, count: int) -> list[JobFacts]:
        return [facts_of(job) for job in self._guest.closed_since(cluster_id, since, after, count)]

    def known_names(self, names: Iterable[str]) -> set[str]:
        return self._guest.known_names(names)


class ChainKeys:
    """Implements delivery.RecipientKeys."""

    def __init__(self, chain: KeyChain) -> None:
        self._chain = chain

    async def usable(self, address: str) -> bytes | None:
        try:
            return (await usable_key(self._chain, address)).public_key
        except NoKey:
            return None
