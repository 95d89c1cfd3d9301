"""The process: creates everything from the configuration, listens, and stops."""

import asyncio
import contextlib
from asyncio.sslproto import SSLProtocol
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import structlog
from aiohttp import web

from provider_daemon import __version__, systemd
from provider_daemon.audit_log.places import audit_files
from provider_daemon.audit_log.recorder import Recorder
from provider_daemon.audit_log.records import Process
from provider_daemon.clock import SystemClock
from provider_daemon.collector.agents import KnownAgents
from provider_daemon.collector.app import CollectorParts, build_app
from provider_daemon.collector.commits import Commits
from provider_daemon.collector.directory import REFRESH_SECONDS, Directory
from provider_daemon.collector.measures import CollectorMeasures, NodeCollector
from provider_daemon.collector.service import CollectorService
from provider_daemon.config.collector import CollectorConfig
from provider_daemon.config.model import Config
from provider_daemon.errors import ConfigError, Transient
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.listener.certificates import Certificates
from provider_daemon.listener.process import keep_certificates_new, run_until_signal
from provider_daemon.listener.serve import Listener, serve
from provider_daemon.metrics.gate import Gate, GateLimits
from provider_daemon.metrics.server import health_app
from provider_daemon.metrics.server import serve as serve_metrics
from provider_daemon.nodes.allowed import NodeDirectory
from provider_daemon.nodes.condition import is_silent
from provider_daemon.ongoing import OngoingProblems

log = structlog.get_logger("provd.collector")

# A connection lasts for one request, about 0.1 s: enough for thousands of agents, each below 300 KiB.
# Unfinished TLS handshakes do not count; the unit's LimitNOFILE bounds them.
CONNECTIONS = 1024
READ_BYTES = 32 * 1024  # of a body that are read ahead
TLS_RECORD_BYTES = 16 * 1024
CHECK_SECONDS = 5.0  # between two looks at what the collector needs, and at silent agents
WATCHDOG_SECONDS = 10.0
PRUNE_SECONDS = 3600.0


def checked(config: Config) -> CollectorConfig:
    """Returns the collector's section. Raises ConfigError if it is missing."""
    if config.collector is None:
        raise ConfigError(["[collector] is missing: the collector needs at least collector.url"])
    return config.collector


class CollectorServer:
    """A running collector. Must be created in the event loop; `run` serves until `stop` is set."""

    def __init__(self, config: Config) -> None:
        """Raises ConfigError."""
        self._section = checked(config)
        self.stop, self.reload = asyncio.Event(), asyncio.Event()
        self.clock, self.ongoing, self.measures = SystemClock(), OngoingProblems(), CollectorMeasures()
        self.problems: dict[str, str] = {"start": "the ledger was not read yet"}
        self._recorder = Recorder(audit_files(config, Process.COLLECTOR), Process.COLLECTOR)
        self._certificates = self._load_certificates()
        self._commits = Commits(Path(self._section.path), self.measures.committed)
        self._agents = KnownAgents(self._commits)
        self._directory = Directory(LedgerGuest(Path(config.ledger.path)), self.clock, self._offer)
        self._service = CollectorService(
            self._section, self._agents, self._directory, self._recorder, self.ongoing, self.clock
        )

    def _load_certificates(self) -> Certificates | None:
        found = self._section
        if found.certificate:
            self.measures.certificates = Certificates(
                "collector", Path(found.certificate), Path(found.key), self.ongoing, self.clock
            )
        return self.measures.certificates

    async def _offer(self, directory: NodeDirectory) -> None:
        await self._agents.offer(directory, self.clock.now())

    # --- life ---

    async def run(self) -> None:
        """Raises Transient for an address in use, or a database that cannot be read."""
        await self._agents.load()
        tasks = [asyncio.create_task(each) for each in self._background()]
        runners: list[web.AppRunner] = []
        try:
            runners += [await self._serve(), await self._serve_metrics()]
            log.info(
                "collector_started",
                version=__version__,
                url=self._section.url,
                listen=self._section.listen,
                tls=self._certificates is not None,
                agents=len(self._agents.known),
            )
            self._recorder.started(self.clock.now())
            systemd.notify("READY=1")
            await self.stop.wait()
            systemd.notify("STOPPING=1")
        finally:
            for runner in runners:
                await runner.cleanup()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._commits.close()
        self._recorder.stopped(self.clock.now())
        log.info("collector_stopped")

    async def _serve(self) -> web.AppRunner:
        # asyncio gives each TLS connection a read buffer of 256 kB; no read returns more than one record.
        SSLProtocol.max_size = TLS_RECORD_BYTES
        address, secure = self._section.listen, self._certificates is not None
        limits = GateLimits(CONNECTIONS, port="collector")
        gate = Gate(address, self.clock, self.ongoing, self.measures.connections, limits)
        app = build_app(CollectorParts(self._service, self.measures, self.clock, proxied=not secure))
        context = self._certificates.context if self._certificates else None
        return await serve(app, Listener("collector.listen", address, CONNECTIONS, READ_BYTES), gate, context)

    async def _serve_metrics(self) -> web.AppRunner:
        """/readyz has a line for each dependency that does not work."""
        app = health_app(NodeCollector(self.measures, self.clock), lambda: sorted(self.problems.items()))
        return await serve_metrics(app, self._section.metrics_listen, "collector.metrics_listen")

    # --- in the background ---

    def _background(self) -> list[Coroutine[None, None, None]]:
        pings = systemd.watchdog_seconds(WATCHDOG_SECONDS)
        return [
            self._commits.run(),
            self._repeat("watchdog", pings, self._ping),
            self._repeat("directory", REFRESH_SECONDS, self._refresh),
            self._repeat("checks", CHECK_SECONDS, self._check),
            self._repeat("pruning", PRUNE_SECONDS, self._prune),
            keep_certificates_new(self._certificates, self.reload),
        ]

    async def _repeat(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception:
                log.exception("collector_task_failed", task=name, next=f"it is repeated in {seconds:g} s")
            await asyncio.sleep(seconds)

    async def _ping(self) -> None:
        systemd.notify("WATCHDOG=1")

    async def _refresh(self) -> None:
        await self._directory.refresh()
        self._directory.set_registered(self._agents.known)
        self.problems.pop("start", None)

    async def _prune(self) -> None:
        with contextlib.suppress(Transient):  # heartbeats fail then too, which is reported
            await self._agents.prune(self.clock.now())

    async def _check(self) -> None:
        now = self.clock.now()
        trusted = self._directory.trusted(self._agents.known)
        self.measures.agents = Counter("silent" if is_silent(each, now) else "active" for each in trusted)
        for name, why in (("ledger", self._directory.problem), ("database", self._commits.problem)):
            self.measures.ready[name] = not why
            if why:
                self._failed(name, why, now)
            elif self.problems.pop(name, "") and self.ongoing.clear("dependency_failed", name):
                log.info("dependency_recovered", dependency=name)
        systemd.status("; ".join(f"{name}: {why}" for name, why in self.problems.items()) or "ready")

    def _failed(self, name: str, why: str, now: float) -> None:
        self.problems[name] = why
        if self.ongoing.start("dependency_failed", name, now, why):
            lost = "new nodes and tokens are refused" if name == "ledger" else "heartbeats are refused"
            log.error("dependency_failed", dependency=name, why=why, next=f"{lost}; it is tried again")


def run(config: Config) -> None:
    """Serves until SIGTERM or SIGINT; SIGHUP reads the certificate again. Raises as CollectorServer does."""
    asyncio.run(_run(config))


async def _run(config: Config) -> None:
    await run_until_signal(CollectorServer(config))
