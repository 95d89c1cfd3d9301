"""Shows what a daemon would do about the pending jobs: runs its loops over a temporary ledger.

SLURM and the chain are queried as usual. Batch scripts and transactions, which would change them, are only
recorded. No transaction is signed or sent.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Protocol

from provider_daemon.chain import job_names
from provider_daemon.chain import tx as transactions
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.keys import Signer
from provider_daemon.errors import Unreadable
from provider_daemon.job.hold import EXPLAINED
from provider_daemon.job.job import Job
from provider_daemon.job.spec import ChainJob
from provider_daemon.job.state import State
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops.admitting import JobAdmission
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.loops.job_records import BATCH
from provider_daemon.loops.outbox import Outbox, OutboxSettings
from provider_daemon.ports import Clock, PoolSite, Scheduler, Submission, SubmissionResult, TxOutcome, Watch
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.pool_site import SlurmPoolSite
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.transport import Transport

NO_ID = "0"  # replaces the SLURM job id that only sbatch could return


class Unsigning:
    """Replaces a key: has its address, and signs with zeros, so that no recorded transaction can be sent.

    Only the signature that SLURM job names are computed from is real: jobs are searched by the daemon's
    names.
    """

    def __init__(self, signer: Signer) -> None:
        self.address = signer.address
        self.public_key = signer.public_key
        self._signer = signer

    def sign(self, digest: bytes) -> bytes:
        return self._signer.sign(digest) if digest == job_names.DOMAIN else bytes(64)


class Unsending(GrpcChain):
    """Accepts a transaction as a node would, and keeps it in `unsent`."""

    unsent: bytes = b""

    async def broadcast(self, tx_bytes: bytes) -> TxOutcome:
        self.unsent = tx_bytes
        return TxOutcome(transactions.tx_hash(tx_bytes), 0, 0, "", "")


class Recording(Scheduler, Protocol):
    """A scheduler that only queries; `orders` are the submissions it received."""

    orders: list[Submission]


class Unsubmitting(SlurmScheduler):
    """Queries SLURM, but records submissions and ignores cancellations."""

    def __init__(self, logins: SiteLogins[Transport], clock: Clock, cluster: str, account: str = "") -> None:
        super().__init__(logins, clock, cluster, account=account)
        self.orders: list[Submission] = []

    async def submit(self, orders: Sequence[Submission]) -> tuple[SubmissionResult, ...]:
        self.orders += orders
        return tuple(SubmissionResult(order.name, slurm_id=NO_ID) for order in orders)

    async def cancel(self, ours: Watch) -> None:
        return


class Unclaiming(SlurmPoolSite):
    """Reads the site's lease files, and makes none."""

    async def claim(self, wanted: Mapping[str, str]) -> dict[str, str]:
        files = await self.leases()
        return {user: files.get(user, line) for user, line in wanted.items()}


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would happen to a job: its submission, or `why` there would be none.

    `cluster` is the operator's name of the cluster, if known.
    """

    job_id: str
    cluster: str
    order: Submission | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class ShownDraft:
    """The next transaction of a key, and how many messages come after it."""

    signer: str
    tx_bytes: bytes
    later: int


class Rehearsal:
    """Created by `dry_run`. `served_clusters`, `sites` and `pool_sites` are keyed by cluster id."""

    def __init__(
        self,
        ledger: Ledger,
        chain: Unsending,
        served_clusters: Mapping[str, ServedCluster],
        sites: Mapping[str, Recording],
        pool_sites: Mapping[str, PoolSite],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._served_clusters = served_clusters
        self._sites = sites
        self._pool_sites = pool_sites
        self._clock = clock
        self._admission = JobAdmission(ledger, chain, served_clusters, clock)

    async def prospects(self) -> list[Prospect]:
        """Returns the outcome of every pending job of this provider, then the unreadable jobs.

        Raises Transient if the chain or SLURM does not answer.
        """
        await self._count_nodes()
        jobs, unread = await self._waiting()
        with self._ledger.write():
            for job in jobs:
                self._ledger.save_job(job)
        for cluster_id, known in self._served_clusters.items():
            pool_site = self._pool_sites.get(cluster_id)
            site = self._sites[cluster_id]
            await Advance(self._ledger, site, known, self._clock, _nothing, pool_site=pool_site).tick()
        return [*map(self._prospect, jobs), *unread]

    async def drafts(self, settings: OutboxSettings) -> list[ShownDraft]:
        """Returns the transactions that would report the jobs. Must be called after `prospects`."""
        found = []
        for signer in {
            known.signer.address: known.signer for known in self._served_clusters.values()
        }.values():
            self._chain.unsent = b""
            await Outbox(self._ledger, self._chain, signer, settings, self._clock, _nothing).tick()
            if self._chain.unsent:
                found.append(
                    ShownDraft(
                        signer.address, self._chain.unsent, len(self._ledger.waiting_messages(signer.address))
                    )
                )
        return found

    async def _count_nodes(self) -> None:
        """Stores what a heartbeat stores, so that the new ledger does not count as stale.

        That is safe here, because each job is searched in SLURM.
        """
        counts = {cluster_id: len(await site.nodes()) for cluster_id, site in self._sites.items()}
        now = self._clock.now()
        with self._ledger.write():
            self._ledger.set(meta.SWEPT_AT, now)
            for cluster_id, count in counts.items():
                self._ledger.set(meta.node_count(cluster_id), count)
                self._ledger.set(meta.sign_of_life(cluster_id), now)

    async def _waiting(self) -> tuple[list[Job], list[Prospect]]:
        """Returns the jobs as they would enter the ledger, and those of any provider that cannot be read.

        The intake loop sets the latter aside, too.
        """
        jobs, unread = list[Job](), list[Prospect]()
        job_ids = [f"JOB-{number}" for number in range(1, await self._chain.job_counter())]
        for start in range(0, len(job_ids), BATCH):
            some = job_ids[start : start + BATCH]
            records = await asyncio.gather(*map(self._chain.job, some), return_exceptions=True)
            for job_id, record in zip(some, records, strict=True):
                try:
                    jobs += await self._considered(record)
                except Unreadable as error:
                    unread.append(Prospect(job_id, "", None, f"set aside: {error}"))
        return jobs, unread

    async def _considered(self, record: ChainJob | BaseException | None) -> list[Job]:
        if isinstance(record, BaseException):
            raise record
        pending = record is not None and record.state is State.PENDING and self._admission.ours(record)
        return [await self._admission.job(record)] if record is not None and pending else []

    def _prospect(self, before: Job) -> Prospect:
        job = self._ledger.job(before.spec.job_id) or before
        cluster_id = job.spec.cluster_id
        order = next((order for order in self._sites[cluster_id].orders if order.name == job.name), None)
        return Prospect(
            job.spec.job_id, self._served_clusters[cluster_id].name, order, "" if order else _why(job)
        )


@contextmanager
def dry_run(
    chain: Unsending,
    served_clusters: Mapping[str, ServedCluster],
    sites: Mapping[str, Recording],
    clock: Clock,
    pool_sites: Mapping[str, PoolSite] = MappingProxyType({}),
) -> Iterator[Rehearsal]:
    with (
        TemporaryDirectory(prefix="provd-") as directory,
        closing(Ledger.open(Path(directory) / "ledger.sqlite")) as ledger,
    ):
        ledger.claim(chain.chain_id)
        yield Rehearsal(ledger, chain, served_clusters, sites, pool_sites, clock)


def _why(job: Job) -> str:
    if job.hold:
        return f"{EXPLAINED[job.hold]}: {job.message}"
    if job.state is State.FAILED:
        return f"refused: {job.message}"
    if job.slurm_id:
        return f"is in SLURM already, as job {job.slurm_id}"
    return (
        "waits: SLURM cannot be asked whether it is there already, or holds as many jobs as "
        "limits.max_jobs allows, or no Unix user of the pool is free"
    )


def _nothing() -> None:
    """Replaces the poke of a loop that does not exist here."""
