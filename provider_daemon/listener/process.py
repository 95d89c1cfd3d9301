"""What the processes that serve strangers share: signals, and certificates that are read again."""

import asyncio
import contextlib
import signal
from typing import Protocol

from provider_daemon.listener.certificates import Certificates

CERTIFICATE_SECONDS = 60.0


class Server(Protocol):
    """`run` serves until `stop` is set. `reload`: the certificate is read at once."""

    stop: asyncio.Event
    reload: asyncio.Event

    async def run(self) -> None: ...


async def run_until_signal(server: Server) -> None:
    """Stops at SIGTERM or SIGINT; SIGHUP reads the certificate again. Raises as the server's `run` does."""
    for name, event in (
        (signal.SIGTERM, server.stop),
        (signal.SIGINT, server.stop),
        (signal.SIGHUP, server.reload),
    ):
        asyncio.get_running_loop().add_signal_handler(name, event.set)
    await server.run()


async def keep_certificates_new(certificates: Certificates | None, asked: asyncio.Event) -> None:
    """Reads the files again every minute, and at once when asked. Never returns."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CERTIFICATE_SECONDS):
                await asked.wait()
        asked.clear()
        if certificates is not None:
            certificates.reload()
