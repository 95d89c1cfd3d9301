"""The ledger and the chain as the mover uses them."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provider_daemon.config.model import ChainConfig
from provider_daemon.errors import Transient
from provider_daemon.job.references import DataReference
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.ledger.rows import UnreadableJob, job_from_value
from provider_daemon.mover.facts import JobFacts, facts_of, references_of
from provider_daemon.ports import Clock

if TYPE_CHECKING:
    from provider_daemon.mover.recipient_keys import ChainKeys


@dataclass(frozen=True, slots=True)
class _Kept:
    """`digest`: of the stored text from which the facts were read. `facts`: None if it cannot be read."""

    job_id: str
    digest: bytes
    facts: JobFacts | None


class LedgerJobs:
    """Implements ports.Ledger."""

    def __init__(self, guest: LedgerGuest, pooled: Collection[str] = ()) -> None:
        """`pooled`: ids of the clusters whose new jobs get a Unix user of a pool."""
        self._guest = guest
        self._pooled = pooled
        self._open: dict[str, dict[str, _Kept]] = {}  # by cluster id, then by job id

    def open_jobs(self, cluster_id: str) -> list[JobFacts]:
        """Returns the open jobs; without those whose rows cannot be read.

        Only the jobs that changed since the last call are parsed: a job may have thousands of inputs.
        """
        known, pooled = self._open.get(cluster_id, {}), cluster_id in self._pooled

        def read(job_id: str, value: str) -> _Kept:
            digest = hashlib.sha256(value.encode()).digest()
            before = known.get(job_id)
            return before if before and before.digest == digest else _parsed(job_id, digest, value, pooled)

        found = self._guest.open_values(cluster_id, read)
        self._open[cluster_id] = {each.job_id: each for each in found}
        return [each.facts for each in found if each.facts]

    def leased_users(self, cluster_id: str) -> list[str]:
        return self._guest.leased_users(cluster_id)

    def jobs(self, job_ids: Iterable[str]) -> list[JobFacts]:
        return [facts_of(job) for job in self._guest.jobs(job_ids)]

    def references(self, job: JobFacts) -> tuple[DataReference, ...]:
        found = [each for each in self._guest.jobs([job.job_id]) if each.name == job.name]
        if not found:
            raise Transient(f"the ledger does not have {job.name} any more")
        return references_of(found[0])

    def closed_since(self, cluster_id: str, since: float, after: str, count: int) -> list[JobFacts]:
        return [facts_of(job) for job in self._guest.closed_since(cluster_id, since, after, count)]

    def known_names(self, names: Iterable[str]) -> set[str]:
        return self._guest.known_names(names)


def _parsed(job_id: str, digest: bytes, value: str, pooled: bool) -> _Kept:
    try:
        return _Kept(job_id, digest, facts_of(job_from_value(value), pooled))
    except UnreadableJob:
        return _Kept(job_id, digest, None)


class LateChainKeys:
    """Implements delivery.RecipientKeys. The chain's client is loaded when the first key is looked up.

    It needs a sixth of the mover's memory, and many sites never deliver anything encrypted.
    """

    def __init__(self, chain: ChainConfig, clock: Clock) -> None:
        self._chain = chain
        self._clock = clock
        self._keys: ChainKeys | None = None

    async def usable(self, address: str) -> bytes | None:
        if self._keys is None:
            from provider_daemon.mover.recipient_keys import ChainKeys

            self._keys = ChainKeys(self._chain, self._clock)
        return await self._keys.usable(address)

    async def close(self) -> None:
        if self._keys is not None:
            await self._keys.close()
