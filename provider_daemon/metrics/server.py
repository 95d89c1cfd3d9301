"""/metrics, /healthz and /readyz on one loopback port."""

from collections.abc import Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, PlatformCollector
from prometheus_client.aiohttp import make_aiohttp_handler

from provider_daemon.errors import Transient
from provider_daemon.metrics.collector import DaemonCollector, LoopHealth, Parts
from provider_daemon.metrics.process import OwnProcess

CLOSING_SECONDS = 5  # at the end, for an answer under way: whoever reads slowly must not hold up a daemon that stops
MAX_WHY = 80  # characters of one loop's trouble in a line that must hold every loop's


def build_app(parts: Parts) -> web.Application:
    registry = CollectorRegistry()
    registry.register(DaemonCollector(parts))
    for collector in (OwnProcess, PlatformCollector):
        collector(registry=registry)

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        """503 with a line for each loop that does not work."""
        problems = [f"{name}: {why}" for name, why in troubled(parts.loops, parts.clock.now())]
        return web.Response(text="\n".join([*problems, ""]) or "ready\n", status=503 if problems else 200)

    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(registry=registry))
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


def troubled(loops: Sequence[LoopHealth], now: float) -> list[tuple[str, str]]:
    """(name, why) of each loop that is dead, has not had a good tick yet, or failed in its last one."""
    found = ((loop.name, loop.dead(now) or loop.failure or ("" if loop.last_success else "no good tick yet")) for loop in loops)
    return [(name, why) for name, why in found if why]


def standing(loops: Sequence[LoopHealth], now: float) -> str:
    """What /readyz says, shortened to one line."""
    problems = [f"{name}: {why if len(why) <= MAX_WHY else why[:MAX_WHY] + '...'}" for name, why in troubled(loops, now)]
    return f"not ready: {'; '.join(problems)}" if problems else "ready"


async def serve(app: web.Application, listen: str) -> web.AppRunner:
    """Serves on host:port until the returned runner is cleaned up; raises Transient when the address cannot be had now."""
    host, _, port = listen.rpartition(":")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
    except OSError as error:
        await runner.cleanup()
        raise Transient(f"metrics.listen {listen}: {error.strerror}") from error
    return runner
