"""/metrics, /healthz and /readyz on one loopback port."""

from collections.abc import Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.aiohttp import make_aiohttp_handler

from provider_daemon.errors import Transient
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.metrics.catalog import LedgerCollector, LoopHealth
from provider_daemon.troubles import Troubles


def build_app(ledger: Ledger, loops: Sequence[LoopHealth], troubles: Troubles) -> web.Application:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(ledger, loops, troubles))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        """503 with a line a loop while one has not had a good tick yet, or its last one failed."""
        problems = [f"{loop.name}: {loop.failure or 'no good tick yet'}" for loop in loops if loop.failure or not loop.last_success]
        return web.Response(text="\n".join([*problems, ""]) or "ready\n", status=503 if problems else 200)

    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(registry=registry))
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


async def serve(app: web.Application, listen: str) -> web.AppRunner:
    """Serves on host:port until the returned runner is cleaned up; raises Transient when the address cannot be had now."""
    host, _, port = listen.rpartition(":")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
    except OSError as error:
        await runner.cleanup()
        raise Transient(f"metrics.listen {listen}: {error.strerror}") from error
    return runner
