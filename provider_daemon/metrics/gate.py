"""Limits the connections of an HTTP port, to protect the process's file descriptors, log and memory.

A connection either waits (for a request, or for its answer to be read) or processes a request. Waiting is
limited in time. At MOST connections, the longest waiting one is closed in favour of a new one; if all are
processing requests, the new one is closed.
"""

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import structlog
from aiohttp import web

from provider_daemon.ongoing import OngoingProblems
from provider_daemon.ports import Clock

log = structlog.get_logger("provd.metrics")

MOST = 64  # twice the number of status pages that may stay open
# From the connection, or the first byte of another request, to the end of a request's head.
REQUEST_SECONDS = 5.0
# From the end of a request to the first byte of the next; the client must read the answer by then.
IDLE_SECONDS = 20.0
FLOODED = "port_flooded"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class HttpCounts:
    """`open` now, and closed since the start: `full` to make room, `late` without a request in time."""

    open: int = 0
    full: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class GateLimits:
    """`most` connections, and `per_address` of one peer (0: no limit). `port`: its name in the log."""

    most: int = MOST
    per_address: int = 0
    port: str = "metrics"


def peer_group(address: str) -> str:
    """Returns what is limited together: an IPv4 address, or the IPv6 network that one customer has (/64)."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)


class Gate:
    def __init__(
        self,
        listen: str,
        clock: Clock,
        ongoing: OngoingProblems,
        counts: HttpCounts,
        limits: GateLimits | None = None,
    ) -> None:
        self._listen, self._clock, self._ongoing, self._counts = listen, clock, ongoing, counts
        self._limits = limits or GateLimits()
        self._addresses: Counter[str] = Counter()
        self._waiting: dict[object, Connection] = {}  # by aiohttp's protocol, the longest waiting first
        self._busy: dict[object, Connection] = {}

    def protocol(self, inner: Callable[[], asyncio.Protocol]) -> Callable[[], "Connection"]:
        """Returns the factory that wraps each connection's aiohttp protocol."""
        return lambda: Connection(self, inner())

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = request.protocol
        found = self._waiting.pop(connection, None)
        if found is None:
            return await handler(request)
        self._busy[connection] = found
        found.stop_waiting()
        try:
            return await handler(request)
        finally:
            if self._busy.pop(connection, None):
                self._waiting[connection] = found
                found.wait(IDLE_SECONDS)

    def opened(self, connection: "Connection") -> None:
        self._addresses[connection.address] += 1
        if 0 < self._limits.per_address < self._addresses[connection.address]:
            self._counts.full += 1
            connection.abort()
        elif len(self._waiting) + len(self._busy) >= self._limits.most:
            self._make_room(connection)
        if not connection.closing:
            self._waiting[connection.inner] = connection
            self._count()
            connection.wait(REQUEST_SECONDS)

    def closed(self, connection: "Connection") -> None:
        self._waiting.pop(connection.inner, None)
        self._busy.pop(connection.inner, None)
        self._addresses[connection.address] -= 1
        if not self._addresses[connection.address]:
            del self._addresses[connection.address]
        self._count()
        few = self._counts.open < self._limits.most // 2
        if few and self._ongoing.clear(FLOODED, self._listen):
            log.info(
                "port_recovered",
                port=self._limits.port,
                listen=self._listen,
                closed_for_room=self._counts.full,
                closed_late=self._counts.late,
            )

    def late(self) -> None:
        self._counts.late += 1

    def _make_room(self, new: "Connection") -> None:
        self._counts.full += 1
        oldest = next(iter(self._waiting.values()), new)
        self._waiting.pop(oldest.inner, None)
        oldest.abort()
        if self._ongoing.start(FLOODED, self._listen, self._clock.now()):
            following = (
                "each new connection closes the one idle longest; find out which clients connect so often"
            )
            log.warning(
                FLOODED,
                port=self._limits.port,
                listen=self._listen,
                connections=self._limits.most,
                next=following,
            )

    def _count(self) -> None:
        self._counts.open = len(self._waiting) + len(self._busy)


class Connection(asyncio.Protocol):
    """Passes one connection on to `inner`."""

    def __init__(self, gate: Gate, inner: asyncio.Protocol) -> None:
        self.inner = inner
        self.closing = False
        self.address = ""
        self._gate = gate
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._idle = False

    def wait(self, seconds: float) -> None:
        self.stop_waiting()
        self._idle = seconds == IDLE_SECONDS
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def abort(self) -> None:
        self.closing = True
        self.stop_waiting()
        if self._transport is not None:
            self._transport.abort()

    def _expire(self) -> None:
        self._gate.late()
        self.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = peer_group(str(peer[0])) if peer else ""
        self.inner.connection_made(transport)
        self._gate.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self.stop_waiting()
        self.inner.connection_lost(exc)
        self._gate.closed(self)

    def data_received(self, data: bytes) -> None:
        if self._idle and self._timer is not None:
            self.wait(REQUEST_SECONDS)
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()
