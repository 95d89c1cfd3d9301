"""Joins the parts of the mover for one cluster."""

from collections.abc import Mapping
from dataclasses import dataclass

from provider_daemon.config.model import ClusterConfig
from provider_daemon.mover.cache import Cache
from provider_daemon.mover.cluster import ClusterMover, Work
from provider_daemon.mover.datasets import Datasets
from provider_daemon.mover.delivery import Deliverer
from provider_daemon.mover.facts import JobFacts
from provider_daemon.mover.fetch import Fetcher
from provider_daemon.mover.locks import Slots
from provider_daemon.mover.plan import Step
from provider_daemon.mover.ports import Ledger, Site
from provider_daemon.mover.quota import Quota
from provider_daemon.mover.results import Results
from provider_daemon.mover.retention import Retention
from provider_daemon.mover.stage import Stager
from provider_daemon.mover.storage import GB
from provider_daemon.ports import Clock
from provider_daemon.sources.inputs import InputPolicy
from provider_daemon.transfers.rows import JobTransfer
from provider_daemon.transfers.writer import TransferWriter

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class ClusterParts:
    """What the loops of one cluster run."""

    mover: ClusterMover
    cache: Cache
    quota: Quota


def cluster_parts(
    cluster: ClusterConfig,
    policy: InputPolicy,
    site: Site,
    ledger: Ledger,
    store: TransferWriter,
    fetcher: Fetcher,
    deliverer: Deliverer,
    manifests: Slots,
    clock: Clock,
) -> ClusterParts:
    work_root, limits = cluster.work_root.rstrip("/"), cluster.data
    root = f"{work_root}/"
    cache = Cache(cluster.id, root, limits.cache_gb * GB, site, store, fetcher, clock)
    datasets = Datasets(limits.datasets, root, site)
    stager = Stager(work_root, policy, site, store, cache, datasets)
    steps = _steps(
        stager, Results(site, store, manifests, clock.now), deliverer, Retention(site, store, clock.now)
    )
    mover = ClusterMover(cluster.id, limits.results_days * DAY, ledger, store, steps, clock)
    return ClusterParts(mover, cache, Quota(site, store, limits, clock.now))


def _steps(
    stager: Stager, results: Results, deliverer: Deliverer, retention: Retention
) -> Mapping[Step, Work]:
    async def stage(job: JobFacts, _: JobTransfer) -> None:
        await stager.stage(job)

    return {
        Step.STAGE: stage,
        Step.MANIFEST: results.list,
        Step.DELIVER: deliverer.deliver,
        Step.UNSTAGE: retention.unstage,
        Step.DELETE: retention.delete,
    }
