"""Serves /metrics, /healthz and /readyz of each process on a loopback port of its own."""

import asyncio
import ssl
from collections.abc import Callable, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, PlatformCollector
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.registry import Collector

from provider_daemon.clock import SystemClock
from provider_daemon.errors import Transient
from provider_daemon.metrics.collector import DaemonCollector, LoopHealth, Parts
from provider_daemon.metrics.gate import MOST, Gate, HttpCounts
from provider_daemon.metrics.process import OwnProcess
from provider_daemon.ongoing import OngoingProblems

# For answers in progress at shutdown: a slow reader must not delay a stopping daemon.
CLOSING_SECONDS = 5
HANDSHAKE_SECONDS = 10.0  # of TLS
MAX_WHY = 80  # characters per problem, so that one line can hold every loop's problem


def build_app(parts: Parts) -> web.Application:
    """Returns the daemon's own; /readyz has a line for each loop that does not work."""
    return health_app(DaemonCollector(parts), lambda: troubled(parts.loops, parts.clock.now()))


def health_app(collector: Collector, problems: Callable[[], Sequence[tuple[str, str]]]) -> web.Application:
    """Returns /metrics, /healthz and /readyz of a process. `problems`: (name, why) of what does not work."""
    registry = CollectorRegistry()
    registry.register(collector)
    for own in (OwnProcess, PlatformCollector):
        own(registry=registry)

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        """Returns 503 with a line for each problem."""
        lines = [f"{name}: {why}\n" for name, why in problems()]
        return web.Response(text="".join(lines) or "ready\n", status=503 if lines else 200)

    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(registry=registry))
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


def troubled(loops: Sequence[LoopHealth], now: float) -> list[tuple[str, str]]:
    """Returns (name, why) of each loop that does not work."""
    return [(loop.name, why) for loop in loops if (why := _trouble(loop, now))]


def _trouble(loop: LoopHealth, now: float) -> str:
    """Returns why it is dead, failed, had no good tick yet, or makes no progress in spite of good ticks."""
    return (
        loop.dead(now)
        or loop.failure
        or ("" if loop.last_success else "no good tick yet")
        or loop.stalled(now)
    )


def standing(loops: Sequence[LoopHealth], now: float) -> str:
    """Returns the text of /readyz, shortened to one line."""
    problems = [
        f"{name}: {why if len(why) <= MAX_WHY else why[:MAX_WHY] + '...'}"
        for name, why in troubled(loops, now)
    ]
    return f"not ready: {'; '.join(problems)}" if problems else "ready"


class GatedSite(web.TCPSite):
    """aiohttp's TCPSite, with the protocol of each connection behind the gate. `context`: for TLS."""

    def __init__(
        self,
        runner: web.AppRunner,
        host: str,
        port: int,
        gate: Gate,
        backlog: int = MOST,
        context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(runner, host, port, backlog=backlog, ssl_context=context)
        self._gate = gate

    async def start(self) -> None:
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None
        self._server = await asyncio.get_running_loop().create_server(
            self._gate.protocol(server),
            self._host,
            self._port,
            backlog=self._backlog,
            ssl=self._ssl_context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if self._ssl_context else None,
        )


async def serve(app: web.Application, listen: str, key: str, gate: Gate | None = None) -> web.AppRunner:
    """Serves on host:port until the returned runner is cleaned up. `key`: where the address is configured.

    Raises Transient if the address is not available now.
    """
    host, _, port = listen.rpartition(":")
    gate = gate or Gate(listen, SystemClock(), OngoingProblems(), HttpCounts())
    app.middlewares.append(gate.middleware)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING_SECONDS, lingering_time=0)
    await runner.setup()
    try:
        await GatedSite(runner, host.strip("[]"), int(port), gate).start()
    except OSError as error:
        await runner.cleanup()
        raise Transient(f"{key} {listen}: {error.strerror}") from error
    return runner
