"""Listens on a port that strangers reach: TLS or plain HTTP, with limits for connections and slow clients."""

import ssl
from dataclasses import dataclass

from aiohttp import web

from provider_daemon.errors import Transient
from provider_daemon.metrics.gate import Gate
from provider_daemon.metrics.server import GatedSite

HEADERS = 64  # of one request
HEADER_BYTES = 8190  # of one header, and of the request line
CLOSING_SECONDS = 5.0  # for answers in progress when the process stops
LINGERING_SECONDS = 5.0  # for which the rest of a refused body is read, so that its sender sees the answer


@dataclass(frozen=True, slots=True)
class Listener:
    """`key`: where the address is configured. `read_bytes` of a body are read ahead."""

    key: str
    address: str
    connections: int
    read_bytes: int


async def serve(
    app: web.Application, listener: Listener, gate: Gate, context: ssl.SSLContext | None
) -> web.AppRunner:
    """Serves on host:port until the runner is cleaned up. Raises Transient if the address is not available.

    A handler is cancelled when its client disconnects.
    """
    host, _, port = listener.address.rpartition(":")
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
        read_bufsize=listener.read_bytes,
    )
    await runner.setup()
    try:
        await GatedSite(runner, host.strip("[]"), int(port), gate, listener.connections, context).start()
    except OSError as error:
        await runner.cleanup()
        raise Transient(f"{listener.key} {listener.address}: {error.strerror}") from error
    return runner
