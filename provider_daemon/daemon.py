"""The composition root: configuration -> adapters -> loops in one TaskGroup; signals; sd_notify; drain."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from provider_daemon import __version__, systemd
from provider_daemon.chain import keys
from provider_daemon.chain.audit import GrpcAudit
from provider_daemon.chain.client import GrpcChain
from provider_daemon.chain.keys import Signer
from provider_daemon.clock import SystemClock
from provider_daemon.config import ClusterConfig, Config
from provider_daemon.errors import LedgerError
from provider_daemon.job.admission import Image, Limits, Program, Site
from provider_daemon.job.spec import Spec
from provider_daemon.loops.advance import Advance
from provider_daemon.loops.compare import Served
from provider_daemon.loops.every import Loop, attempt, every
from provider_daemon.loops.heartbeat import Heartbeat
from provider_daemon.loops.intake import Intake
from provider_daemon.loops.outbox import Outbox, OutboxSettings
from provider_daemon.loops.reconcile import LOOK_SECONDS, Reconcile
from provider_daemon.loops.start import start
from provider_daemon.loops.tenancy import Tenancy
from provider_daemon.metrics.chain import MeasuredAudit, MeasuredChain
from provider_daemon.metrics.collector import Parts
from provider_daemon.metrics.ledger import MeasuredLedger, Measures
from provider_daemon.metrics.meters import Meters
from provider_daemon.metrics.scheduler import MeasuredScheduler, MeasuredTransport
from provider_daemon.metrics.server import build_app, serve
from provider_daemon.metrics.wallet import PERIOD_SECONDS, Wallet
from provider_daemon.ports import Clock
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.ssh import SshTransport
from provider_daemon.status.board import Board
from provider_daemon.status.routes import Routes
from provider_daemon.template.program import program_of
from provider_daemon.template.trusted import trusted
from provider_daemon.troubles import Troubles

log = structlog.get_logger("provd.daemon")

DRAIN_SECONDS = 20  # how long a stopping daemon goes on asking what became of its open transaction
WATCHDOG_SECONDS = 10  # between two signs of life to systemd; one dead loop ends them


class Daemon:
    """Every part of a running provd. Made inside the event loop; `run` serves until `stop` is set and then lets go of everything."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._clock = SystemClock()
        self.stop = asyncio.Event()
        self._signers = {name: keys.load(key.kind, key.name, key.path, key.passphrase_file) for name, key in config.keys.items()}
        self._ledger = MeasuredLedger.open(Path(config.ledger.path))
        self._ledger.claim(config.chain.id)
        start(self._ledger, [cluster.id for cluster in config.clusters], self._clock.booted_at, self._clock.now())
        self._troubles = Troubles()
        self._meters = Meters()
        self._grpc = GrpcChain(config.chain.id, config.chain.endpoints, self._clock, self._troubles)
        self._chain = MeasuredChain(self._grpc, self._meters, self._clock)
        self._tenancies = {cluster.id: tenancy(cluster, self._signers[cluster.key]) for cluster in config.clusters}
        self._addresses = list(dict.fromkeys(known.signer.address for known in self._tenancies.values()))
        self._ledger.measure(
            Measures(self._meters, self._clock, config.chain.fee_denom, self._chain.occupied), list(self._tenancies), self._addresses
        )
        self._transports = {cluster.id: transport(cluster, self._clock) for cluster in config.clusters}
        self._slurm = {cluster.id: self._make_slurm(cluster) for cluster in config.clusters}
        self._schedulers = {
            cluster_id: MeasuredScheduler(slurm, self._meters, cluster_id, self._clock) for cluster_id, slurm in self._slurm.items()
        }
        self._outboxes = self._make_outboxes()
        self._loops = [*self._outboxes, *self._make_cluster_loops(), self._make_intake(), self._make_reconcile(), self._make_wallet()]

    def _make_slurm(self, cluster: ClusterConfig) -> SlurmScheduler:
        measured = MeasuredTransport(self._transports[cluster.id], self._clock)
        return SlurmScheduler(measured, self._clock, cluster.name, self._troubles)

    # --- loops ---

    def _make_outboxes(self) -> list[Loop]:
        """One a key, however many clusters it serves."""
        chain = self._config.chain
        settings = OutboxSettings(fee_denom=chain.fee_denom, max_gas=chain.max_gas, timeout_blocks=chain.timeout_blocks)
        used = {tenancy.signer.address: tenancy.signer for tenancy in self._tenancies.values()}
        return [
            Loop(
                f"outbox:{address}",
                chain.poll_seconds,
                Outbox(self._ledger, self._chain, signer, settings, self._clock, lambda: None, self._troubles).tick,
            )
            for address, signer in used.items()
        ]

    def _make_cluster_loops(self) -> list[Loop]:
        loops: list[Loop] = []
        for cluster in self._config.clusters:
            known, site = self._tenancies[cluster.id], self._schedulers[cluster.id]
            advance = Advance(self._ledger, site, known, self._clock, poke_all(self._outboxes))
            heartbeat = Heartbeat(self._ledger, site, self._chain, known, self._clock)
            loops.append(Loop(f"advance:{cluster.name}", cluster.poll_seconds, advance.tick))
            loops.append(Loop(f"heartbeat:{cluster.name}", cluster.heartbeat_seconds, heartbeat.tick))
        return loops

    def _make_intake(self) -> Loop:
        intake = Intake(self._ledger, self._chain, self._tenancies, self._clock, lambda: poke_all(self._advances())(), self._troubles)
        return Loop("intake", self._config.chain.poll_seconds, intake.tick)

    def _make_reconcile(self) -> Loop:
        served = [
            Served(known.cluster_id, known.name, self._schedulers[known.cluster_id], known.signer) for known in self._tenancies.values()
        ]
        audit = MeasuredAudit(GrpcAudit(self._grpc), self._meters, self._clock)
        return Loop("reconcile", LOOK_SECONDS, Reconcile(self._ledger, self._chain, audit, served, self._clock).tick)

    def _make_wallet(self) -> Loop:
        denom = self._config.chain.fee_denom
        return Loop("wallet", PERIOD_SECONDS, Wallet(self._ledger, self._chain, self._addresses, denom, self._meters, self._clock).tick)

    def _advances(self) -> list[Loop]:
        return [loop for loop in self._loops if loop.name.startswith("advance:")]

    # --- life ---

    async def run(self) -> None:
        """Until `stop`: a first tick of each loop under way already counts as ready, an unreachable SLURM or chain is waited for."""
        runner = await self._serve()
        log.info(
            "provd_started", version=__version__, chain=self._config.chain.id, clusters=[known.name for known in self._tenancies.values()]
        )
        systemd.notify("READY=1")
        try:
            async with asyncio.TaskGroup() as group:
                for loop in self._loops:
                    group.create_task(every(loop, self._clock, self.stop), name=loop.name)
                group.create_task(self._watchdog())
            await self._drain()
        except* LedgerError as stopped:
            raise LedgerError(f"{stopped.exceptions[0]}; provd stops, and goes on from the ledger when it is started again") from stopped
        finally:
            await runner.cleanup()
            await self._close()
        log.info("provd_stopped")

    async def _serve(self) -> web.AppRunner:
        parts, listen = self._parts(), self._config.metrics.listen
        app = build_app(parts)
        Routes(Board(parts), listen.rpartition(":")[0]).add_to(app)
        return await serve(app, listen)

    def _parts(self) -> Parts:
        return Parts(
            ledger=self._ledger,
            path=Path(self._config.ledger.path),
            meters=self._meters,
            loops=self._loops,
            troubles=self._troubles,
            clock=self._clock,
            clusters=list(self._tenancies),
            signers=self._addresses,
            endpoints=lambda: self._grpc.endpoints.all,
            rpcs={cluster_id: partial(getattr, slurm, "rpcs") for cluster_id, slurm in self._slurm.items()},
            ssh={cluster_id: each.counts for cluster_id, each in self._transports.items() if isinstance(each, SshTransport)},
        )

    async def _watchdog(self) -> None:
        """Silent from the first look at which a loop is dead: systemd then starts the daemon anew."""
        while not self.stop.is_set():
            if dead := {loop.name: why for loop in self._loops if (why := loop.dead(self._clock.now()))}:
                log.error("loop_dead", loops=dead, next="no sign of life goes to systemd, which starts provd anew")
            else:
                systemd.notify("WATCHDOG=1")
            try:
                async with asyncio.timeout(WATCHDOG_SECONDS):
                    await self.stop.wait()
            except TimeoutError:
                continue

    async def _drain(self) -> None:
        """What is signed and sent gets its answer if the chain gives it soon; what is not stays in the ledger for the next start."""
        systemd.notify("STOPPING=1")
        deadline = time.monotonic() + DRAIN_SECONDS
        for loop in self._outboxes:
            address = loop.name.removeprefix("outbox:")
            while self._ledger.open_tx(address) is not None and time.monotonic() < deadline:
                await attempt(loop, self._clock)
                await asyncio.sleep(1)

    async def _close(self) -> None:
        for site in self._schedulers.values():
            await site.close()
        await self._chain.close()
        self._ledger.close()


def run(config: Config) -> None:
    """Serves until SIGTERM or SIGINT. Raises ConfigError or LedgerError when it cannot start."""
    asyncio.run(_run(config))


async def _run(config: Config) -> None:
    daemon = Daemon(config)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, daemon.stop.set)
    await daemon.run()


def poke_all(loops: Sequence[Loop]) -> Callable[[], None]:
    def poke() -> None:
        for loop in loops:
            loop.poke.set()

    return poke


def scheduler(cluster: ClusterConfig, clock: Clock, troubles: Troubles | None = None) -> SlurmScheduler:
    return SlurmScheduler(transport(cluster, clock), clock, cluster.name, troubles)


def transport(cluster: ClusterConfig, clock: Clock) -> LocalTransport | SshTransport:
    if cluster.transport == "local" or cluster.ssh is None:
        return LocalTransport()
    ssh = cluster.ssh
    return SshTransport(
        host=ssh.host,
        port=ssh.port,
        user=ssh.user,
        key_file=ssh.key_file,
        known_hosts=ssh.known_hosts,
        host_key_fingerprint=ssh.host_key_fingerprint,
        clock=clock,
    )


def tenancy(cluster: ClusterConfig, signer: Signer) -> Tenancy:
    limits = cluster.limits
    return Tenancy(
        cluster_id=cluster.id,
        name=cluster.name,
        signer=signer,
        work_root=cluster.work_root,
        account=cluster.account,
        qos=cluster.qos,
        region=cluster.region,
        datacenter=cluster.datacenter,
        margin_seconds=cluster.report_margin_seconds,
        max_jobs=limits.max_jobs,
        prologue=tuple(cluster.prologue),
        partitions=cluster.partitions,
        site=Site(
            images=tuple(Image(image.pattern, tuple(image.run)) for image in cluster.images),
            limits=Limits(
                limits.max_nodes,
                limits.max_cpus_per_node,
                limits.max_memory_gb_per_node,
                limits.max_gpus_per_node,
                limits.max_runtime_seconds,
            ),
            gpu_types=cluster.gpu_types,
            templates=_templates(cluster),
        ),
    )


def _templates(cluster: ClusterConfig) -> dict[str, Callable[[Spec], Program]]:
    """Workload id -> what makes a job's program."""
    wanted = cluster.templates
    found = trusted(wanted.allowed, wanted.directory, wanted.trusted_signers)
    return {template_id: partial(program_of, template) for template_id, template in found.items()}
