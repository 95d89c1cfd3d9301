"""/metrics, /healthz and /readyz of the mover."""

from collections.abc import Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, PlatformCollector
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.registry import Collector

from provider_daemon.metrics import server
from provider_daemon.metrics.collector import LoopHealth
from provider_daemon.metrics.process import OwnProcess
from provider_daemon.ports import Clock


async def serve(
    collector: Collector, loops: Sequence[LoopHealth], clock: Clock, listen: str
) -> web.AppRunner:
    """Serves until the returned runner is cleaned up. Raises Transient if the address is not available."""
    registry = CollectorRegistry()
    registry.register(collector)
    for own in (OwnProcess, PlatformCollector):
        own(registry=registry)

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        """Returns 503 with a line for each loop that does not work."""
        problems = [f"{name}: {why}" for name, why in server.troubled(loops, clock.now())]
        return web.Response(text="\n".join([*problems, ""]) or "ready\n", status=503 if problems else 200)

    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(registry=registry))
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return await server.serve(app, listen)
