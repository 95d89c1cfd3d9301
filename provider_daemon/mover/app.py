"""The process: creates everything from the configuration, runs the loops of each cluster, and stops."""

import asyncio
import os
import signal
import stat
from dataclasses import dataclass
from pathlib import Path

import structlog

from provider_daemon import __version__, systemd
from provider_daemon.audit_log.places import audit_files
from provider_daemon.audit_log.recorder import Recorder
from provider_daemon.audit_log.records import Process
from provider_daemon.clock import SystemClock
from provider_daemon.config.model import ClusterConfig, Config, DataConfig
from provider_daemon.encryption import identity
from provider_daemon.encryption.identity import Keyring
from provider_daemon.errors import ConfigError
from provider_daemon.job.images import images_of
from provider_daemon.job.site_root import site_root
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.loops.runner import Loop, run_periodically
from provider_daemon.metrics.activity import Activity
from provider_daemon.metrics.server import health_app, serve, standing, troubled
from provider_daemon.mover.adapters import LateChainKeys, LedgerJobs
from provider_daemon.mover.audited import AuditedWriter
from provider_daemon.mover.build import ClusterParts, cluster_parts
from provider_daemon.mover.delivery import Deliverer
from provider_daemon.mover.fetch import Fetcher
from provider_daemon.mover.images import ImagePolicy, Images, policy_keys
from provider_daemon.mover.locks import FairSlots, Slots
from provider_daemon.mover.metrics import Figures, MoverCollector
from provider_daemon.mover.opener import AgeEncryption, KeyringOpener
from provider_daemon.mover.pace import Bandwidth
from provider_daemon.mover.quota import to_measure
from provider_daemon.mover.retention import count_orphans
from provider_daemon.mover.spool import Spool
from provider_daemon.mover.storage import GB
from provider_daemon.mover.upload import HttpUploader
from provider_daemon.ports import Clock
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.site_files.images import ImageStore
from provider_daemon.site_files.requests import LONG_WORKERS
from provider_daemon.slurm.connect import SiteTransport, login_at, logins
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.sources.https import Http
from provider_daemon.sources.inputs import InputPolicy
from provider_daemon.sources.registry import Registries
from provider_daemon.sources.s3 import read_endpoint
from provider_daemon.sources.sources import Sources
from provider_daemon.transfers.writer import TransferWriter

log = structlog.get_logger("provd.mover")

TICK_SECONDS = 2.0
STORAGE_SECONDS = 60.0  # between two measurements of all running jobs of a cluster
CLEANING_SECONDS = 300.0
RARELY = 12  # of as many cleanings, one does what is seldom needed
MANIFEST_SECONDS = 7 * 86_400.0  # after the results were deleted, for which their manifest is kept
UNUSED_SECONDS = 7 * 86_400.0  # after which partial files are deleted
WATCHDOG_SECONDS = 10.0
MIB = 2**20
# Programs at a site: one more than transfers, so that short requests do not wait for long ones. sshd allows
# ten channels for each connection, and the transport opens at most four for programs like these.
SSH_WORKERS = 4


class Unhurried(Activity):
    """The activity of a loop whose tick may take as long as it needs, such as measuring directories."""

    def stuck(self, tick_since: float, now: float) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Served:
    cluster: ClusterConfig
    files: SiteFiles
    logins: SiteLogins[SiteTransport]
    parts: ClusterParts


def checked(config: Config) -> DataConfig:
    """Returns the mover's section. Raises ConfigError if it is missing."""
    if config.data is None:
        raise ConfigError(["section [data] is missing: provd mover requires it, even if it is empty"])
    return config.data


class Mover:
    """A running mover. Must be created in the event loop; `run` serves until `stop` is set."""

    def __init__(self, config: Config) -> None:
        """Raises ConfigError."""
        self._config, self._data = config, checked(config)
        self.stop = asyncio.Event()
        self.clock = SystemClock()
        self.figures = Figures()
        self.store = AuditedWriter.open(Path(self._data.path))
        self._recorder = Recorder(audit_files(config, Process.MOVER), Process.MOVER)
        self.store.audit(self._recorder, self.clock)
        self._spool = Spool(Path(self._data.spool))
        self.bandwidth = Bandwidth(self._data.mib_per_second * MIB, self.clock.now)
        self._slots = FairSlots(self._data.transfers)
        pooled = [cluster.id for cluster in config.clusters if cluster.accounts == "pool"]
        self._ledger = LedgerJobs(LedgerGuest(Path(config.ledger.path)), pooled)
        self._keys = LateChainKeys(config.chain, self.clock)
        uploads = Path(config.gateway.uploads) if config.gateway else None
        self._sources = Sources.of(self._data, uploads, os.environ)
        self._opener = _opener(self._data.recipient_key_file)
        self._uploader = _uploader(self._data)
        self.served = [self._serve_cluster(each) for each in config.clusters]
        self.loops = [loop for each in self.served for loop in self._loops(each)]

    def _serve_cluster(self, cluster: ClusterConfig) -> Served:
        site = logins(cluster, self.clock, self._data.ssh_key_file)
        workers = SSH_WORKERS if cluster.transport == "ssh" else self._data.transfers + 1
        files = SiteFiles(site.main, workers, login_at(site, cluster))
        slots = Slots(FairSlots(workers - 1), self._slots)
        fetcher = Fetcher(files, self._sources, self._opener, self._spool, self.bandwidth, slots)
        encryption = AgeEncryption()
        # Manifests never wait for transfers, because final reports wait for them: deliveries leave one of
        # the programs for whole trees to them.
        manifests, sending = Slots(FairSlots(LONG_WORKERS)), Slots(FairSlots(LONG_WORKERS - 1), self._slots)
        deliverer = Deliverer(
            files, self.store, self._uploader, self._keys, encryption, self.bandwidth, sending
        )
        policy = InputPolicy.of(self._data, cluster.data.datasets, uploads=self._config.gateway is not None)
        images = self._images(cluster, ImageStore(site.main, images_of(cluster.work_root)), files, slots)
        self.figures.pulls[cluster.name] = images.outcomes
        parts = cluster_parts(
            cluster,
            policy,
            files,
            self._ledger,
            self.store,
            fetcher,
            deliverer,
            manifests,
            images,
            self.clock,
        )
        return Served(cluster, files, site, parts)

    def _images(self, cluster: ClusterConfig, store: ImageStore, files: SiteFiles, slots: Slots) -> Images:
        data = self._data
        return Images(
            cluster.id,
            f"{cluster.work_root.rstrip('/')}/",
            cluster.data.images_gb * GB,
            ImagePolicy(
                data.image_architecture,
                tuple(data.blocked_images),
                data.max_image_gb * GB,
                policy_keys(data.image_keys),
                squash=any(image.launcher == "pyxis" for image in cluster.images),
            ),
            Registries(Http(InputPolicy.of(data, {}, uploads=False), ca_file=data.ca_file), data.registries),
            store,
            files,
            self.store,
            Path(data.spool),
            self.bandwidth,
            slots,
            self.clock,
        )

    def _loops(self, served: Served) -> list[Loop]:
        name = served.cluster.name

        async def tick() -> None:
            served.parts.mover.tick()

        async def measure() -> None:
            await served.parts.quota.measure(to_measure(served.parts.mover.jobs))

        cleaning = Cleaning(served, self._ledger, self.store, self._spool, self.figures, self.clock)
        return [
            Loop(f"data:{name}", TICK_SECONDS, tick),
            Loop(f"storage:{name}", STORAGE_SECONDS, measure, activity=Unhurried()),
            Loop(f"cleaning:{name}", CLEANING_SECONDS, cleaning.tick, activity=Unhurried()),
        ]

    async def run(self) -> None:
        """Raises Transient if the metrics address is in use, or the spool cannot be created."""
        self._spool.prepare()
        collector = MoverCollector(
            {each.cluster.name: each.parts.mover for each in self.served},
            self.figures,
            self.bandwidth,
            self.loops,
            self.clock.now,
        )
        app = health_app(collector, lambda: troubled(self.loops, self.clock.now()))
        runner = await serve(app, self._data.metrics_listen, "data.metrics_listen")
        log.info("mover_started", version=__version__, clusters=[each.cluster.name for each in self.served])
        self._recorder.started(self.clock.now())
        systemd.notify("READY=1")
        running = [run_periodically(loop, self.clock, self.stop) for loop in self.loops]
        tasks = [asyncio.create_task(each) for each in (*running, self._watchdog())]
        await self.stop.wait()
        systemd.notify("STOPPING=1")
        # Every step may be cut anywhere, as by a kill: the next start repeats it.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()
        await self.close()
        self._recorder.stopped(self.clock.now())
        log.info("mover_stopped")

    async def close(self) -> None:
        for each in self.served:
            await each.parts.mover.close()
            await each.files.close()
            await each.logins.close()
        await self._keys.close()
        self.store.close()

    async def _watchdog(self) -> None:
        """Pings systemd's watchdog while no loop is dead; without pings, systemd restarts the mover."""
        while True:
            now = self.clock.now()
            dead = {loop.name: why for loop in self.loops if (why := loop.dead(now))}
            if dead:
                following = "withholding the watchdog ping; systemd will restart the mover"
                log.error("loop_dead", loops=dead, next=following)
            else:
                systemd.notify("WATCHDOG=1")
            systemd.status(standing(self.loops, now))
            await asyncio.sleep(systemd.watchdog_seconds(WATCHDOG_SECONDS))


class Cleaning:
    """Keeps the cache within its limit, deletes what nobody continues or reads, and counts orphans."""

    def __init__(
        self,
        served: Served,
        ledger: LedgerJobs,
        store: TransferWriter,
        spool: Spool,
        figures: Figures,
        clock: Clock,
    ) -> None:
        self._served = served
        self._ledger = ledger
        self._store = store
        self._spool = spool
        self._figures = figures
        self._clock = clock
        self._ticks = 0

    async def tick(self) -> None:
        cluster, caches = self._served.cluster, self._served.parts.caches
        name = cluster.name
        self._figures.cache[name] = await caches.evict()
        self._figures.images[name] = await self._served.parts.images.evict()
        if self._ticks % RARELY == 0:
            before = self._clock.now() - UNUSED_SECONDS
            files = await caches.sweep(before) + self._spool.clear(before)
            if files:
                log.info("partial_files_deleted", cluster=name, files=files)
            if lines := await self._prune():
                log.info("manifests_pruned", lines=lines)
            users = ["", *(self._ledger.leased_users(cluster.id) if cluster.pool else ())]
            roots = [site_root(cluster.work_root, user) for user in users]
            counts = [await count_orphans(self._served.files, self._ledger, root) for root in roots]
            self._figures.orphans[name] = sum(counts)
        self._ticks += 1

    async def _prune(self) -> int:
        """Deletes the lines of old manifests, in parts, between which other loops run."""
        lines, before = 0, self._clock.now() - MANIFEST_SECONDS
        while count := self._store.prune_manifests(before):
            lines += count
            await asyncio.sleep(0)
        return lines


def _uploader(data: DataConfig) -> HttpUploader:
    policy = InputPolicy.of(data, {}, uploads=False)
    endpoints = {name: read_endpoint(name, url, os.environ) for name, url in data.s3_endpoints.items()}
    return HttpUploader(Http(policy, ca_file=data.ca_file), endpoints)


def _opener(path: str) -> KeyringOpener | None:
    """Returns None without a key file. Raises ConfigError for one that cannot be used."""
    if not path:
        return None
    _keyring(path)
    return KeyringOpener(lambda: _keyring(path))


def _keyring(path: str) -> Keyring:
    try:
        file = Path(path)
        if file.stat().st_mode & (stat.S_IRWXG & ~stat.S_IRGRP | stat.S_IRWXO):
            raise ConfigError([f"data.recipient_key_file {path}: other users can read it: chmod 600"])
        return identity.parse(file.read_text())
    except OSError as error:
        raise ConfigError([f"data.recipient_key_file {path}: {error.strerror}"]) from None
    except ValueError as error:
        raise ConfigError([f"data.recipient_key_file {path}: {error}"]) from None


def run(config: Config) -> None:
    """Serves until SIGTERM or SIGINT. Raises ConfigError, and Transient as Mover.run."""
    asyncio.run(_run(config))


async def _run(config: Config) -> None:
    mover = Mover(config)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, mover.stop.set)
    await mover.run()
