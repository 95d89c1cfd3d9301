"""Serves the status page and its data on the metrics port: GET only, for local browsers, never cached."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from provider_daemon.ledger.listing import Show
from provider_daemon.status import page
from provider_daemon.status.view import View, first_number, news, to_json

PERIOD_SECONDS = 2.0  # between two checks for changes
MOST_STREAMS = 32
STALLED_SECONDS = 10.0  # a client that reads nothing for this long is disconnected

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Routes:
    def __init__(self, board: View, host: str) -> None:
        """`host` is the host of metrics.listen, one of the accepted names in the Host header."""
        self._board = board
        self._host = host
        self._page = page.load()
        self._policy = page.policy(self._page)
        self._stop = asyncio.Event()
        self._streams = 0

    def add_to(self, app: web.Application) -> None:
        for path, handler in {
            "/": self._index,
            "/jobs/{job_id}": self._index,
            "/status.json": self._overview,
            "/status/events": self._events,
            "/status/jobs": self._jobs,
            "/status/jobs/{job_id}": self._job,
        }.items():
            app.router.add_get(path, self._guarded(handler), allow_head=False)
        app.on_shutdown.append(self._end)

    def _guarded(self, handler: Handler) -> Handler:
        """Rejects other names in the Host header, to stop DNS rebinding from a foreign web page."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not own_name(request.host, self._host):
                return web.Response(
                    status=421, text="ask for this page by its address, or as localhost\n", headers=HEADERS
                )
            return await handler(request)

        return guarded

    async def _index(self, _: web.Request) -> web.Response:
        headers = {**HEADERS, "Content-Security-Policy": self._policy}
        return web.Response(text=self._page, content_type="text/html", charset="utf-8", headers=headers)

    async def _overview(self, _: web.Request) -> web.Response:
        return _json(to_json(self._board.current()))

    async def _jobs(self, request: web.Request) -> web.Response:
        try:
            before, show = (
                first_number(request.query.get("before", "")),
                Show(request.query.get("show", Show.ALL)),
            )
        except ValueError:
            return _json('{"error":"before is the number of a job, show is all, open or parked"}', 400)
        return _json(self._board.jobs(show, before, request.query.get("match", "").strip()))

    async def _job(self, request: web.Request) -> web.Response:
        found = self._board.job(request.match_info["job_id"])
        return _json(found) if found else _json('{"error":"the ledger has no such job"}', 404)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._streams >= MOST_STREAMS:
            return web.Response(
                status=503, text="too many pages are open\n", headers={**HEADERS, "Retry-After": "30"}
            )
        response = web.StreamResponse(
            headers={**HEADERS, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        self._streams += 1
        try:
            await response.prepare(request)
            await self._follow(response)
        except (ConnectionResetError, TimeoutError):
            pass
        finally:
            self._streams -= 1
        return response

    async def _follow(self, response: web.StreamResponse) -> None:
        """Sends the overview, then its changes: at least the time, which shows that the connection lives."""
        seen: dict[str, Any] = {}
        while not self._stop.is_set():
            now = self._board.current()
            async with asyncio.timeout(STALLED_SECONDS):
                await response.write(f"data: {to_json(news(seen, now))}\n\n".encode())
            seen = now
            await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(PERIOD_SECONDS):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _end(self, _: web.Application) -> None:
        """Ends the streams, so that an open page does not delay a stopping daemon."""
        self._stop.set()


def own_name(asked: str, host: str) -> bool:
    """Whether the Host header is an address, localhost, or the name in the configuration."""
    name = asked.rpartition("]")[0].removeprefix("[") if asked.startswith("[") else asked.partition(":")[0]
    if name.lower() in ("localhost", host.strip("[]").lower()):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _json(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="application/json", headers=HEADERS)
