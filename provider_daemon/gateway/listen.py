"""Listens for customers: TLS or plain HTTP, with limits for connections and slow clients."""

import ssl

from aiohttp import web

from provider_daemon.errors import Transient
from provider_daemon.gateway.limits import (
    CONNECTIONS,
    CONNECTIONS_PER_ADDRESS,
    HEADER_BYTES,
    HEADERS,
)
from provider_daemon.metrics.gate import Gate, GateLimits
from provider_daemon.metrics.server import GatedSite

READ_BYTES = 256 * 1024  # of a body that are read ahead, so that uploads are written in large parts
CLOSING_SECONDS = 5.0  # for answers in progress when the gateway stops
LINGERING_SECONDS = 5.0  # for which the rest of a refused body is read, so that its sender sees the answer


def limits(*, proxied: bool) -> GateLimits:
    """Behind a reverse proxy all connections have one address."""
    return GateLimits(
        most=CONNECTIONS,
        per_address=0 if proxied else CONNECTIONS_PER_ADDRESS,
        public=True,
    )


async def serve(
    app: web.Application, listen: str, gate: Gate, context: ssl.SSLContext | None
) -> web.AppRunner:
    """Serves on host:port until the runner is cleaned up. Raises Transient if the address is not available.

    A handler is cancelled when its client disconnects.
    """
    host, _, port = listen.rpartition(":")
    app.middlewares.insert(0, gate.middleware)
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=CLOSING_SECONDS,
        lingering_time=LINGERING_SECONDS,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
        max_headers=HEADERS,
        auto_decompress=False,
        read_bufsize=READ_BYTES,
    )
    await runner.setup()
    try:
        await GatedSite(runner, host.strip("[]"), int(port), gate, CONNECTIONS, context).start()
    except OSError as error:
        await runner.cleanup()
        raise Transient(f"gateway.listen {listen}: {error.strerror}") from error
    return runner
