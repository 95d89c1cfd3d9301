"""The composition root: creates the adapters and loops, runs them in one TaskGroup, and stops them."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Collection
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from provider_daemon import __version__, systemd
from provider_daemon.audit_log.places import audit_files
from provider_daemon.audit_log.recorder import Recorder
from provider_daemon.audit_log.records import Action, Process
from provider_daemon.chain import keys
from provider_daemon.chain.client import GrpcChain
from provider_daemon.clock import SystemClock
from provider_daemon.config.model import ClusterConfig, Config
from provider_daemon.daemon.audited_ledger import AuditedLedger
from provider_daemon.daemon.build import queried_account
from provider_daemon.daemon.loops import LoopSet, Wiring
from provider_daemon.daemon.operators import control_socket
from provider_daemon.daemon.reload import Reload
from provider_daemon.errors import LedgerError
from provider_daemon.ledger import meta
from provider_daemon.loops.runner import Loop, run_once, run_periodically
from provider_daemon.loops.start import start
from provider_daemon.loops.trusted_agents import TrustedAgents
from provider_daemon.metrics.agents import MeasuredAgents
from provider_daemon.metrics.chain import MeasuredChain
from provider_daemon.metrics.collector import Parts
from provider_daemon.metrics.gate import Gate, HttpCounts
from provider_daemon.metrics.ledger import Measures
from provider_daemon.metrics.meters import Meters
from provider_daemon.metrics.scheduler import MeasuredScheduler, MeasuredTransport
from provider_daemon.metrics.server import build_app, serve, standing
from provider_daemon.node_store.store import NodeStore
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.slurm.connect import logins
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.pool_site import SlurmPoolSite
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.ssh import SshTransport
from provider_daemon.slurm.transport import Transport
from provider_daemon.status.routes import Routes
from provider_daemon.status.view import View
from provider_daemon.transfers.store import TransferStore

log = structlog.get_logger("provd.daemon")

# Time limits of a stopping daemon. With the few seconds of closing, they end before the unit's
# TimeoutStopSec. FINISH_SECONDS is for ticks in progress: a poll of SLURM takes seconds, but a hanging one
# may take minutes.
FINISH_SECONDS = 45
DRAIN_SECONDS = 20  # to continue querying the outcomes of open transactions
ANCHOR_SECONDS = 60.0
WATCHDOG_SECONDS = 10  # longest interval between two watchdog pings to systemd; a dead loop ends them


class Daemon:
    """All parts of a running provd. Must be created in the event loop; `run` serves until `stop` is set."""

    def __init__(self, config: Config, file: Path) -> None:
        """`file` is the configuration file, which a reload reads again."""
        self._config = config
        self.clock = SystemClock()
        self.stop = asyncio.Event()
        self._signers = {
            name: keys.load(key.kind, key.name, key.path, key.passphrase_file)
            for name, key in config.keys.items()
        }
        self.ledger = AuditedLedger.open(Path(config.ledger.path))
        self._recorder = Recorder(audit_files(config, Process.DAEMON), Process.DAEMON)
        self.ledger.claim(config.chain.id)
        start(
            self.ledger, [cluster.id for cluster in config.clusters], self.clock.booted_at, self.clock.now()
        )
        self._anchored_at = 0.0
        self._ongoing = OngoingProblems()
        self._http = HttpCounts()
        self._meters = Meters()
        self._grpc = GrpcChain(
            config.chain.id, config.chain.endpoints, self.clock, self._ongoing, config.chain.quorum
        )
        self._chain = MeasuredChain(self._grpc, self._meters, self.clock)
        self._logins = {cluster.id: logins(cluster, self.clock) for cluster in config.clusters}
        self._measured_logins = {cluster.id: self._measure(cluster) for cluster in config.clusters}
        self._slurm = {cluster.id: self._make_slurm(cluster) for cluster in config.clusters}
        self._schedulers = {
            cluster_id: MeasuredScheduler(slurm, self._meters, cluster_id, self.clock)
            for cluster_id, slurm in self._slurm.items()
        }
        self.loop_set = LoopSet(config, self._wiring())
        self.reload = Reload(file, config, self.loop_set, self._grpc.endpoints, self.clock, self._recorder)
        measures = Measures(self._meters, self.clock, config.chain.fee_denom, self._chain.occupied)
        self.ledger.measure(measures, list(self._schedulers), self.loop_set.addresses)
        self.ledger.audit(self._recorder, self.clock)
        runtime_directory = os.environ.get("RUNTIME_DIRECTORY", "")
        self._control = control_socket(
            config, self.reload, self.ledger, self.clock, self.loop_set, self._signers, runtime_directory
        )

    def _measure(self, cluster: ClusterConfig) -> SiteLogins[Transport]:
        site = self._logins[cluster.id]
        return SiteLogins[Transport](
            MeasuredTransport(site.main, self.clock),
            lambda user: MeasuredTransport(site.as_user(user), self.clock),
        )

    def _make_slurm(self, cluster: ClusterConfig) -> SlurmScheduler:
        measured, account = self._measured_logins[cluster.id], queried_account(cluster)
        return SlurmScheduler(measured, self.clock, cluster.name, self._ongoing, account)

    def _wiring(self) -> Wiring:
        return Wiring(
            self.ledger,
            self._grpc,
            self._chain,
            self._schedulers,
            self._signers,
            self._meters,
            self.clock,
            self._ongoing,
            TransferStore(Path(self._config.data.path)) if self._config.data else None,
            {
                cluster.id: SlurmPoolSite(self._measured_logins[cluster.id], cluster.work_root)
                for cluster in self._config.clusters
                if cluster.pool
            },
            self._agents(),
        )

    def _agents(self) -> MeasuredAgents | None:
        if self._config.collector is None:
            return None
        store = NodeStore(Path(self._config.collector.path))
        trusted = TrustedAgents(store, self.ledger, self.clock)
        return MeasuredAgents(
            trusted, self._meters, self.clock, lambda cluster_id: self._schedulers[cluster_id].powered_down
        )

    # --- life ---

    async def run(self) -> None:
        """Runs until `stop`, then closes everything.

        The daemon is ready as soon as the first tick of each loop has started: it waits for an unreachable
        SLURM or chain.
        """
        await self._control.open()
        runner = await self._serve()
        log.info(
            "provd_started",
            version=__version__,
            chain=self._config.chain.id,
            clusters=[cluster.name for cluster in self._config.clusters],
        )
        self._recorder.started(self.clock.now())
        used = [self._recorder.deed(Action.KEY_LOADED, thing=each) for each in self.loop_set.addresses]
        self._recorder.record(used, self.clock.now())
        systemd.notify("READY=1")
        reloads = asyncio.create_task(self.reload.whenever_asked())
        try:
            async with asyncio.TaskGroup() as group:
                ticking = [
                    group.create_task(run_periodically(loop, self.clock, self.stop), name=loop.name)
                    for loop in self.loop_set.loops
                ]
                group.create_task(self._watchdog())
                group.create_task(self._finish(ticking))
            await self._drain()
        except* LedgerError as stopped:
            raise LedgerError(
                f"{stopped.exceptions[0]}; provd stops, and resumes from the ledger at the next start"
            ) from stopped
        finally:
            reloads.cancel()
            await self._control.close()
            await runner.cleanup()
            self._recorder.stopped(self.clock.now())
            await self._close()
        log.info("provd_stopped")

    async def _serve(self) -> web.AppRunner:
        parts, listen = self.parts(), self._config.metrics.listen
        app = build_app(parts)
        Routes(View(parts), listen.rpartition(":")[0]).add_to(app)
        return await serve(app, listen, "metrics.listen", Gate(listen, self.clock, self._ongoing, self._http))

    def parts(self) -> Parts:
        return Parts(
            ledger=self.ledger,
            path=Path(self._config.ledger.path),
            meters=self._meters,
            loops=self.loop_set.loops,
            ongoing=self._ongoing,
            clock=self.clock,
            reload=self.reload,
            clusters=list(self._schedulers),
            signers=self.loop_set.addresses,
            endpoints=lambda: self._grpc.endpoints.all,
            rpcs={cluster_id: partial(getattr, slurm, "rpcs") for cluster_id, slurm in self._slurm.items()},
            http=self._http,
            pools=[cluster.id for cluster in self._config.clusters if cluster.pool],
            silent=lambda: [name for name, each in self._schedulers.items() if not each.answers],
            ssh={
                cluster_id: each.main.counts
                for cluster_id, each in self._logins.items()
                if isinstance(each.main, SshTransport)
            },
        )

    async def _watchdog(self) -> None:
        """Pings systemd's watchdog while no loop is dead; without pings, systemd restarts the daemon."""
        period = systemd.watchdog_seconds(WATCHDOG_SECONDS)
        while not self.stop.is_set():
            if not self._dead():
                systemd.notify("WATCHDOG=1")
            self._anchor()
            systemd.status(standing(self.loop_set.loops, self.clock.now()))
            try:
                async with asyncio.timeout(period):
                    await self.stop.wait()
            except TimeoutError:
                continue

    def _anchor(self) -> None:
        """Stores the audit log's last record in the ledger, once a minute, so that a cut end is noticed."""
        head, now = str(self._recorder.head), self.clock.now()
        if self._recorder.head.sequence and now - self._anchored_at >= ANCHOR_SECONDS:
            self._anchored_at = now
            if head != self.ledger.get(meta.AUDIT_HEAD):
                with self.ledger.write():
                    self.ledger.set(meta.AUDIT_HEAD, head)

    def _dead(self) -> bool:
        """Whether any loop is dead; logs each of them."""
        now = self.clock.now()
        dead = {loop.name: why for loop in self.loop_set.loops if (why := loop.dead(now))}
        for name, why in dead.items():
            if self._ongoing.start("loop_dead", name, now):
                log.error(
                    "loop_dead",
                    loop=name,
                    why=why,
                    next="withholding the watchdog ping; systemd will restart provd",
                )
        return bool(dead)

    async def _finish(self, ticking: Collection[asyncio.Task[None]]) -> None:
        """After `stop`, aborts a tick that does not end in time, as a kill would; the next start recovers."""
        await self.stop.wait()
        systemd.notify("STOPPING=1")
        _, late = await asyncio.wait(ticking, timeout=FINISH_SECONDS)
        for task in late:
            following = "provd stops before this tick has finished; the next start resumes from the ledger"
            log.warning("tick_aborted", loop=task.get_name(), seconds=FINISH_SECONDS, next=following)
            task.cancel()

    async def _drain(self) -> None:
        """Waits for the outcomes of sent transactions; the next start resumes those that are still open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.gather(*(self._drain_key(loop) for loop in self.loop_set.outboxes))

    async def _drain_key(self, outbox: Loop) -> None:
        address = outbox.name.removeprefix("outbox:")
        while self.ledger.open_tx(address) is not None:
            await run_once(outbox, self.clock)
            await asyncio.sleep(1)

    async def _close(self) -> None:
        await asyncio.gather(*(site.close() for site in self._schedulers.values()))
        await self._chain.close()
        self.ledger.close()


def run(config: Config, file: Path) -> None:
    """Serves until SIGTERM or SIGINT, and reloads the file on SIGHUP.

    Raises ConfigError or LedgerError if the daemon cannot start.
    """
    asyncio.run(_run(config, file))


async def _run(config: Config, file: Path) -> None:
    daemon = Daemon(config, file)
    for name, event in (
        (signal.SIGTERM, daemon.stop),
        (signal.SIGINT, daemon.stop),
        (signal.SIGHUP, daemon.reload.asked),
    ):
        asyncio.get_running_loop().add_signal_handler(name, event.set)
    await daemon.run()
