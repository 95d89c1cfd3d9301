"""Listens for customers: TLS or plain HTTP, with limits for connections and slow clients."""

import asyncio
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

HANDSHAKE_SECONDS = 10.0
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


class _Site(web.TCPSite):
    def __init__(
        self, runner: web.AppRunner, host: str, port: int, gate: Gate, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(runner, host, port, backlog=CONNECTIONS, ssl_context=context)
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
        await _Site(runner, host.strip("[]"), int(port), gate, context).start()
    except OSError as error:
        await runner.cleanup()
        raise Transient(f"gateway.listen {listen}: {error.strerror}") from error
    return runner
