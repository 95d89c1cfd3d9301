"""Creates all loops of a running provd from the configuration, and applies a changed configuration."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from provider_daemon.books import loop as book_keeping
from provider_daemon.books.keeper import Keeper
from provider_daemon.catalogue.document import Catalogue
from provider_daemon.chain.accounts import GrpcAccounts
from provider_daemon.chain.audit import GrpcAudit
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.keys import Signer
from provider_daemon.chain.market import offerings_of
from provider_daemon.config.model import ClusterConfig, Config
from provider_daemon.daemon.build import data_policy, outbox_settings, served_cluster
from provider_daemon.daemon.catalogue import catalogue_base
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.loops import disputes
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.catalogue import PERIOD_SECONDS as PUBLISH_SECONDS
from provider_daemon.loops.catalogue import CataloguePublisher
from provider_daemon.loops.cluster import ServedCluster
from provider_daemon.loops.heartbeat import Heartbeat
from provider_daemon.loops.intake import Intake
from provider_daemon.loops.lease_return import RETURN_SECONDS, LeaseReturn
from provider_daemon.loops.outbox import Outbox
from provider_daemon.loops.runner import Loop
from provider_daemon.metrics.chain import MeasuredAccounts, MeasuredAudit, MeasuredChain
from provider_daemon.metrics.meters import Meters
from provider_daemon.metrics.scheduler import MeasuredScheduler
from provider_daemon.metrics.wallet import PERIOD_SECONDS, Wallet
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.planning.gas import idle_gas
from provider_daemon.ports import Agents, Clock, PoolSite, Transfers
from provider_daemon.reconciliation.comparer import Served
from provider_daemon.reconciliation.loop import CHECK_SECONDS, Reconciliation


@dataclass(frozen=True, slots=True)
class Wiring:
    """The loops' dependencies: `schedulers` by cluster id, `signers` by key name in the configuration."""

    ledger: Ledger
    grpc: GrpcChain
    chain: MeasuredChain
    schedulers: Mapping[str, MeasuredScheduler]
    signers: Mapping[str, Signer]
    meters: Meters
    clock: Clock
    ongoing: OngoingProblems
    transfers: Transfers | None = None
    pool_sites: Mapping[str, PoolSite] = field(default_factory=dict)
    agents: Agents | None = None


@dataclass(frozen=True, slots=True)
class _Site:
    """The loops of a cluster. Without a pool of Unix users there are none to return."""

    advance: Advance
    advancing: Loop
    heartbeat: Heartbeat
    beating: Loop
    lease_return: LeaseReturn | None
    returning: Loop | None
    catalogue: CataloguePublisher
    publishing: Loop

    @property
    def loops(self) -> list[Loop]:
        returning = [self.returning] if self.returning else []
        return [self.advancing, self.beating, *returning, self.publishing]


class LoopSet:
    """`outboxes` are the loops that send transactions: one per key, however many clusters use the key."""

    def __init__(self, config: Config, wiring: Wiring) -> None:
        self._wiring = wiring
        self._served_clusters = self._tenancies_of(config)
        self.addresses = list(dict.fromkeys(known.signer.address for known in self._served_clusters.values()))
        self._senders = self._make_senders(config)
        self.outboxes = [
            Loop(f"outbox:{address}", config.chain.poll_seconds, sender.tick, stalled=sender.stalled)
            for address, sender in self._senders.items()
        ]
        self._sites = {cluster.id: self._make_site(config, cluster) for cluster in config.clusters}
        self._intake = self._make_intake(config)
        by_site = [loop for site in self._sites.values() for loop in site.loops]
        self.loops = [
            *self.outboxes,
            *by_site,
            self._intake,
            self._make_reconcile(),
            self._make_disputes(),
            self._make_books(config),
            self._make_wallet(config),
        ]

    def adopt(self, config: Config) -> None:
        """Applies what a reload may change. Raises ConfigError, with no change, for an unusable template."""
        served_clusters = self._tenancies_of(config)
        catalogues = {cluster.id: self._catalogue_of(config, cluster) for cluster in config.clusters}
        self._served_clusters.update(served_clusters)
        for sender in self._senders.values():
            sender.reconfigure(outbox_settings(config.chain))
        for cluster in config.clusters:
            site = self._sites[cluster.id]
            site.advance.reconfigure(served_clusters[cluster.id])
            site.heartbeat.reconfigure(served_clusters[cluster.id])
            site.catalogue.reconfigure(catalogues[cluster.id])
            site.publishing.poke.set()
            if site.lease_return:
                site.lease_return.reconfigure(served_clusters[cluster.id])
            _pace(site.advancing, cluster.poll_seconds)
            _pace(site.beating, cluster.heartbeat_seconds)
        for loop in (*self.outboxes, self._intake):
            _pace(loop, config.chain.poll_seconds)

    def wake(self, names: Collection[str]) -> None:
        """Pokes the loops whose names begin with one of these words, such as "outbox"."""
        for loop in self.loops:
            if loop.name.partition(":")[0] in names:
                loop.poke.set()

    def _tenancies_of(self, config: Config) -> dict[str, ServedCluster]:
        return {
            cluster.id: served_cluster(
                cluster,
                self._wiring.signers[cluster.key],
                config.chain.max_gas,
                data_policy(config),
                config.customers,
            )
            for cluster in config.clusters
        }

    def _make_senders(self, config: Config) -> dict[str, Outbox]:
        wired, settings = self._wiring, outbox_settings(config.chain)
        used = {known.signer.address: known.signer for known in self._served_clusters.values()}
        return {
            address: Outbox(
                wired.ledger, wired.chain, signer, settings, wired.clock, lambda: None, wired.ongoing
            )
            for address, signer in used.items()
        }

    def _catalogue_of(self, config: Config, cluster: ClusterConfig) -> Catalogue | None:
        return catalogue_base(config, cluster, self._wiring.signers[cluster.key].address)

    def _make_site(self, config: Config, cluster: ClusterConfig) -> _Site:
        wired, known, scheduler = (
            self._wiring,
            self._served_clusters[cluster.id],
            self._wiring.schedulers[cluster.id],
        )
        advance = Advance(
            wired.ledger,
            scheduler,
            known,
            wired.clock,
            poke_all(self.outboxes),
            wired.ongoing,
            wired.transfers,
            wired.pool_sites.get(cluster.id),
        )
        heartbeat = Heartbeat(
            wired.ledger, scheduler, wired.chain, known, wired.clock, wired.agents, wired.ongoing
        )
        pool_site = wired.pool_sites.get(cluster.id)
        returning = (
            LeaseReturn(wired.ledger, pool_site, known, wired.clock, wired.ongoing) if pool_site else None
        )
        catalogue = CataloguePublisher(
            wired.ledger,
            scheduler,
            wired.chain,
            partial(offerings_of, wired.grpc),
            known.cluster_id,
            known.signer,
            wired.clock,
            self._catalogue_of(config, cluster),
        )
        return _Site(
            advance,
            Loop(f"advance:{cluster.name}", cluster.poll_seconds, advance.tick),
            heartbeat,
            Loop(f"heartbeat:{cluster.name}", cluster.heartbeat_seconds, heartbeat.tick),
            returning,
            Loop(f"leases:{cluster.name}", RETURN_SECONDS, returning.tick) if returning else None,
            catalogue,
            Loop(f"catalogue:{cluster.name}", PUBLISH_SECONDS, catalogue.tick),
        )

    def _make_intake(self, config: Config) -> Loop:
        wired, poke = self._wiring, poke_all([site.advancing for site in self._sites.values()])
        intake = Intake(wired.ledger, wired.chain, self._served_clusters, wired.clock, poke, wired.ongoing)
        return Loop("intake", config.chain.poll_seconds, intake.tick)

    def _make_reconcile(self) -> Loop:
        wired = self._wiring
        served = [
            Served(known.cluster_id, known.name, wired.schedulers[known.cluster_id], known.signer)
            for known in self._served_clusters.values()
        ]
        return Loop(
            "reconcile",
            CHECK_SECONDS,
            Reconciliation(wired.ledger, wired.chain, self._audit(), served, wired.clock).tick,
        )

    def _make_disputes(self) -> Loop:
        wired = self._wiring
        reader = disputes.Disputes(wired.ledger, self._audit(), self._served_clusters, wired.clock)
        return Loop("disputes", disputes.PERIOD_SECONDS, reader.tick)

    def _make_books(self, config: Config) -> Loop:
        wired = self._wiring
        accounts = MeasuredAccounts(GrpcAccounts(wired.grpc), wired.meters, wired.clock)
        keeper = Keeper(
            wired.ledger, accounts, list(self._served_clusters), self.addresses, config.chain.fee_denom
        )
        tick = book_keeping.BookKeeping(wired.ledger, keeper, wired.clock).tick
        return Loop("books", book_keeping.PERIOD_SECONDS, tick)

    def _audit(self) -> MeasuredAudit:
        return MeasuredAudit(GrpcAudit(self._wiring.grpc), self._wiring.meters, self._wiring.clock)

    def _make_wallet(self, config: Config) -> Loop:
        wired, denom = self._wiring, config.chain.fee_denom
        wallet = Wallet(
            wired.ledger, wired.chain, self.addresses, denom, wired.meters, wired.clock, self._idle_gas
        )
        return Loop("wallet", PERIOD_SECONDS, wallet.tick)

    def _idle_gas(self, signer: str) -> float:
        """Returns the gas of a day's heartbeats of the key's clusters, with the nodes that each had last."""
        ours = [each for each in self._served_clusters.values() if each.signer.address == signer]
        ledger, sites = self._wiring.ledger, self._sites
        return idle_gas(
            (ledger.get(meta.node_count(each.cluster_id)), sites[each.cluster_id].beating.period)
            for each in ours
        )


def _pace(loop: Loop, seconds: float) -> None:
    """Changes the period. The poke ends the current wait, which has the old period."""
    if loop.period != seconds:
        loop.period = seconds
        loop.poke.set()


def poke_all(loops: Sequence[Loop]) -> Callable[[], None]:
    def poke() -> None:
        for loop in loops:
            loop.poke.set()

    return poke
