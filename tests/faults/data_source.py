"""A far end for inputs and results that misbehaves on request: an HTTP server that is an S3 store too."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

BUCKET = "faults"
METADATA = "http://169.254.169.254/latest/meta-data/"
BLOCK = bytes(2**16)
Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Source:
    """`behaviours`: name -> what is done with a request for it. `offsets`: of each request for a name."""

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    offsets: dict[str, list[int]] = field(default_factory=dict)
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def at(self, name: str) -> str:
        return f"{self.url}/{BUCKET}/{name}"

    async def start(self) -> None:
        app = web.Application(client_max_size=2**28)
        app.router.add_route("*", f"/{BUCKET}/{{name:.+}}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.offsets.setdefault(name, []).append(offset_of(request))
        return await self.behaviours[name](request)


def offset_of(request: web.Request) -> int:
    return int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


def whole(content: bytes) -> Behaviour:
    """Serves the content, from any byte on."""
    return stalling(content, len(content), asyncio.Event(), asyncio.Event())


def stalling(content: bytes, at: int, reached: asyncio.Event, resumed: asyncio.Event) -> Behaviour:
    """Stops in each answer at byte `at`, sets `reached`, and waits for `resumed`."""

    async def serve(request: web.Request) -> web.StreamResponse:
        start, size = offset_of(request), len(content)
        headers = {"Content-Length": str(size - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        answer = web.StreamResponse(status=206 if start else 200, headers=headers)
        await answer.prepare(request)
        await answer.write(content[start : max(start, at)])
        if at < size and start < at:
            reached.set()
            await resumed.wait()
        await answer.write(content[max(start, at) :])
        return answer

    return serve


async def endless(request: web.Request) -> web.StreamResponse:
    """Sends bytes for as long as the client reads them."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(BLOCK)


def trickling(begun: asyncio.Event, cut: asyncio.Event) -> Behaviour:
    """Sends one byte a second, and sets `cut` when the client has gone."""

    async def serve(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000000"})
        await answer.prepare(request)
        begun.set()
        try:
            while True:
                await answer.write(b"-")
                await asyncio.sleep(1)
        finally:
            cut.set()

    return serve


async def redirecting(request: web.Request) -> web.StreamResponse:
    """Leads to the metadata service of a cloud."""
    return web.Response(status=302, headers={"Location": METADATA})


async def expired(request: web.Request) -> web.StreamResponse:
    """Answers as S3 does for a presigned URL after its time."""
    return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")


def storing(stored: list[bytes], reached: asyncio.Event) -> Behaviour:
    """Keeps what is sent. The first sender gets no answer: it sets `reached` and waits."""

    async def serve(request: web.Request) -> web.StreamResponse:
        content = await request.read()
        if not reached.is_set():
            reached.set()
            await asyncio.Event().wait()
        stored.append(content)
        return web.Response()

    return serve
