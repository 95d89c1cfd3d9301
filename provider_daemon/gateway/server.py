"""The process: creates everything from the configuration, listens, checks what it needs, and stops."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web

from provider_daemon import __version__, systemd
from provider_daemon.audit_log.places import audit_files
from provider_daemon.audit_log.recorder import Recorder
from provider_daemon.audit_log.records import Process
from provider_daemon.chain.client import GrpcChain
from provider_daemon.clock import SystemClock
from provider_daemon.config.model import ClusterConfig, Config, GatewayConfig
from provider_daemon.errors import ConfigError, ProvdError
from provider_daemon.gateway.app import build_app
from provider_daemon.gateway.limits import CONNECTIONS, READ_BYTES, port_limits
from provider_daemon.gateway.logins import Logins
from provider_daemon.gateway.measures import GatewayCollector, Measures
from provider_daemon.gateway.parts import Gateway, Site
from provider_daemon.gateway.uploads import GIB, Uploads
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.listener import serve as listener
from provider_daemon.listener.certificates import Certificates
from provider_daemon.listener.process import keep_certificates_new, run_until_signal
from provider_daemon.metrics.gate import Gate
from provider_daemon.metrics.server import health_app
from provider_daemon.metrics.server import serve as serve_metrics
from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.slurm.connect import login_at, logins
from provider_daemon.transfers.store import TransferStore

log = structlog.get_logger("provd.gateway")

CHECK_SECONDS = 15.0  # between two checks of what the gateway needs
WATCHDOG_SECONDS = 10.0
HOUSEKEEPING_SECONDS = 3600.0


def checked(config: Config) -> GatewayConfig:
    """Returns the gateway's section. Raises ConfigError if it is missing."""
    if config.gateway is None:
        raise ConfigError(["section [gateway] is missing: the gateway requires at least gateway.url"])
    return config.gateway


@dataclass(frozen=True, slots=True)
class Check:
    """A dependency. `check` raises a ProvdError or OSError that says what is wrong."""

    name: str
    check: Callable[[], Awaitable[object]]


class Server:
    """A running gateway. Must be created in the event loop; `run` serves until `stop` is set."""

    def __init__(self, config: Config) -> None:
        self._config, self._section = config, checked(config)
        self.stop, self.reload = asyncio.Event(), asyncio.Event()
        self.clock, self.ongoing, self.measures = SystemClock(), OngoingProblems(), Measures()
        self.problems: dict[str, str] = {"start": "the first check is not finished"}
        self._recorder = Recorder(audit_files(config, Process.GATEWAY), Process.GATEWAY)
        self._certificates = self._load_certificates()
        self._chain = GrpcChain(
            config.chain.id, config.chain.endpoints, self.clock, self.ongoing, config.chain.quorum
        )
        self._sites = {each.id: _site(each, self._section, self.clock) for each in config.clusters}
        self.gateway = self._gateway()

    def _load_certificates(self) -> Certificates | None:
        found = self._section
        if not found.certificate:
            return None
        self.measures.certificates = Certificates(
            "gateway", Path(found.certificate), Path(found.key), self.ongoing, self.clock
        )
        return self.measures.certificates

    def _gateway(self) -> Gateway:
        section, config = self._section, self._config
        uploads = Uploads(
            Path(section.uploads), section.uploads_gb * GIB, section.uploads_gb_per_customer * GIB
        )
        logins = Logins(
            self._chain,
            self.clock,
            url=section.url,
            chain_id=config.chain.id,
            clusters=[cluster.id for cluster in config.clusters],
        )
        return Gateway(
            url=section.url,
            chain_id=config.chain.id,
            sites=self._sites,
            ledger=LedgerGuest(Path(config.ledger.path)),
            transfers=TransferStore(Path(config.data.path)) if config.data else None,
            uploads=uploads,
            logins=logins,
            measures=self.measures,
            clock=self.clock,
            requests_per_minute=section.requests_per_minute,
            secure=self._certificates is not None,
            proxied=self._certificates is None,
            ongoing=self.ongoing,
            recorder=self._recorder,
        )

    # --- life ---

    async def run(self) -> None:
        """Raises ConfigError if the uploads' directory cannot be used, Transient for an address in use."""
        uploads = self.gateway.uploads
        try:
            uploads.open()
        except OSError as error:
            raise ConfigError([f"gateway.uploads {self._section.uploads}: {error.strerror}"]) from None
        self.measures.uploads = uploads.used
        self.measures.uploads_limit = self._section.uploads_gb * GIB
        runners = [await self._serve(), await self._serve_metrics()]
        log.info(
            "gateway_started",
            version=__version__,
            url=self._section.url,
            listen=self._section.listen,
            tls=self.gateway.secure,
        )
        self._recorder.started(self.clock.now())
        systemd.notify("READY=1")
        tasks = [asyncio.create_task(each) for each in self._background()]
        await self.stop.wait()
        systemd.notify("STOPPING=1")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for runner in runners:
            await runner.cleanup()
        self._recorder.stopped(self.clock.now())
        await self._close()
        log.info("gateway_stopped")

    async def _serve(self) -> web.AppRunner:
        address = self._section.listen
        limits = port_limits(proxied=self.gateway.proxied)
        gate = Gate(address, self.clock, self.ongoing, self.measures.connections, limits)
        context = self._certificates.context if self._certificates else None
        opened = listener.Listener("gateway.listen", address, CONNECTIONS, READ_BYTES)
        return await listener.serve(build_app(self.gateway), opened, gate, context)

    async def _serve_metrics(self) -> web.AppRunner:
        """/readyz has a line for each dependency that does not work."""
        collector = GatewayCollector(self.measures, self.clock)
        app = health_app(collector, lambda: sorted(self.problems.items()))
        return await serve_metrics(app, self._section.metrics_listen, "gateway.metrics_listen")

    async def _close(self) -> None:
        await asyncio.gather(*(site.close() for site in self._sites.values()))
        await self._chain.close()

    # --- in the background ---

    def _background(self) -> list[Coroutine[None, None, None]]:
        pings = systemd.watchdog_seconds(WATCHDOG_SECONDS)
        return [
            self._repeat("watchdog", pings, self._ping),
            self._repeat("checks", CHECK_SECONDS, self._check),
            self._repeat("housekeeping", HOUSEKEEPING_SECONDS, self._tidy),
            keep_certificates_new(self._certificates, self.reload),
        ]

    async def _repeat(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception:
                log.exception("gateway_task_failed", task=name, next=f"it is repeated in {seconds:g} s")
            await asyncio.sleep(seconds)

    async def _ping(self) -> None:
        systemd.notify("WATCHDOG=1")

    async def _tidy(self) -> None:
        if count := await asyncio.to_thread(self.gateway.uploads.expire, self.clock.now()):
            log.info("uploads_expired", count=count)
        self.measures.uploads = self.gateway.uploads.used

    async def _check(self) -> None:
        self.problems.pop("start", None)
        for check in self._checks():
            why = await _problem(check)
            self.measures.ready[check.name] = not why
            if why:
                self.problems[check.name] = why
                if self.ongoing.start("dependency_failed", check.name, self.clock.now(), why):
                    following = "requests that need it fail with 503; it is checked again in 15 s"
                    log.error("dependency_failed", dependency=check.name, why=why, next=following)
            elif self.problems.pop(check.name, "") and self.ongoing.clear("dependency_failed", check.name):
                log.info("dependency_recovered", dependency=check.name)
        systemd.status("; ".join(f"{name}: {why}" for name, why in self.problems.items()) or "ready")

    def _checks(self) -> list[Check]:
        transfers = self.gateway.transfers
        sites = [Check(f"site_{each.id}", self._site_check(each)) for each in self._config.clusters]
        return [
            Check("ledger", lambda: asyncio.to_thread(self.gateway.ledger.job, "JOB-0")),
            *([Check("data_mover", lambda: asyncio.to_thread(transfers.facts, ()))] if transfers else []),
            Check("chain", self._start_logins),
            *sites,
        ]

    async def _start_logins(self) -> None:
        """Checks the chain; the first answer also names the providers."""
        if not self.gateway.logins.ready:
            audience = await self.gateway.logins.start()
            log.info("logins_ready", providers=sorted(audience.providers))
        await self._chain.head()

    def _site_check(self, cluster: ClusterConfig) -> Callable[[], Awaitable[object]]:
        return lambda: self._sites[cluster.id].files.space(f"{cluster.work_root}/")


async def _problem(check: Check) -> str:
    """Returns what is wrong with a dependency, "" if nothing is."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check.check()
    except TimeoutError:
        return f"no answer in {CHECK_SECONDS:g} s"
    except (ProvdError, OSError) as error:
        return str(error)
    return ""


def _site(cluster: ClusterConfig, section: GatewayConfig, clock: Clock) -> Site:
    site = logins(cluster, clock, section.ssh_key_file)
    files = SiteFiles(site.main, login_of=login_at(site, cluster))
    return Site(cluster.name, cluster.data.results_days, files, site, cluster.work_root)


def run(config: Config) -> None:
    """Serves until SIGTERM or SIGINT; SIGHUP reads the certificate again. Raises as Server.run."""
    asyncio.run(_run(config))


async def _run(config: Config) -> None:
    await run_until_signal(Server(config))
