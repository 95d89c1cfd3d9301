"""Joins the parts of the mover for one cluster."""

from collections.abc import Mapping
from dataclasses import dataclass

from provider_daemon.config.model import ClusterConfig
from provider_daemon.job.site_root import site_root
from provider_daemon.mover.cache import Cache
from provider_daemon.mover.caches import Caches
from provider_daemon.mover.cluster import ClusterMover, Work
from provider_daemon.mover.datasets import Datasets
from provider_daemon.mover.delivery import Deliverer
from provider_daemon.mover.fetch import Fetcher
from provider_daemon.mover.images import Images
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
from provider_daemon.transfers.writer import TransferWriter

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class ClusterParts:
    """What the loops of one cluster run."""

    mover: ClusterMover
    caches: Caches
    images: Images
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
    images: Images,
    clock: Clock,
) -> ClusterParts:
    limits = cluster.data

    def cache_of(user: str) -> Cache:
        """A customer has another user later: rows of different users never stand for each other."""
        key, root = f"{cluster.id}/{user}" if user else cluster.id, f"{site_root(cluster.work_root, user)}/"
        return Cache(key, root, limits.cache_gb * GB, site, store, fetcher, clock)

    caches = Caches(cache_of, lambda: ledger.leased_users(cluster.id) if cluster.pool else ())
    stager = Stager(cluster.work_root, policy, site, ledger, store, caches, Datasets(limits.datasets, site))
    steps = _steps(
        images,
        stager,
        Results(site, store, manifests, clock.now),
        deliverer,
        Retention(site, store, clock.now),
    )
    mover = ClusterMover(
        cluster.id, cluster.work_root, limits.results_days * DAY, ledger, store, steps, clock
    )
    return ClusterParts(mover, caches, images, Quota(site, store, limits, clock.now))


def _steps(
    images: Images, stager: Stager, results: Results, deliverer: Deliverer, retention: Retention
) -> Mapping[Step, Work]:
    return {
        Step.IMAGE: images.provide,
        Step.STAGE: stager.stage,
        Step.MANIFEST: results.list,
        Step.DELIVER: deliverer.deliver,
        Step.UNSTAGE: retention.unstage,
        Step.DELETE: retention.delete,
    }
