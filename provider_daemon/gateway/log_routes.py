"""GET /v1/jobs/{id}/log: a job's output, as text or as server-sent events, also while the job runs."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import structlog
from aiohttp import web

from provider_daemon.errors import ProvdError, Transient
from provider_daemon.gateway.access import EVENTS, GATEWAY, IDENTITY, current, job_of, number
from provider_daemon.gateway.answers import Stream, streaming
from provider_daemon.gateway.errors import ApiError, Code
from provider_daemon.gateway.events import KEEP_ALIVE, LogEvents
from provider_daemon.gateway.file_routes import at_site
from provider_daemon.gateway.job_view import has_ended
from provider_daemon.gateway.parts import Gateway, Site
from provider_daemon.job.job import Job
from provider_daemon.site_files.values import NotThere
from provider_daemon.tokens.identity import Right

log = structlog.get_logger("provd.gateway")

STREAMS = {"output": "output.txt", "error": "error.txt"}
CHECK_SECONDS = 2.0  # between two looks at the job's state
KEEP_ALIVE_SECONDS = 15.0  # without output, after which a comment is sent
MOST_OFFSET = 2**62


async def read(request: web.Request) -> web.StreamResponse:
    """The output from `offset` on; with `follow`, until the job has ended."""
    job, site = await job_of(request, Right.FILES)
    name = STREAMS.get(request.query.get("stream", "output"))
    if name is None:
        raise ApiError(Code.BAD_REQUEST, "stream must be output or error.")
    events = EVENTS in request.headers.get("Accept", "")
    offset = _offset(request)
    if events or request.query.get("follow", "") in ("1", "true"):
        return await _followed(request, job, site, name, offset, events=events)
    return await _current(request, job, site, name, offset)


def _offset(request: web.Request) -> int:
    """Returns where to begin: where an interrupted event stream ended, or `offset`."""
    last = request.headers.get("Last-Event-ID", "")
    if last.isascii() and last.isdecimal() and int(last) <= MOST_OFFSET:
        return int(last)
    return number(request, "offset", 0, 0, MOST_OFFSET)


async def _current(request: web.Request, job: Job, site: Site, name: str, offset: int) -> web.StreamResponse:
    """What is there now; empty before the job has written anything."""
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    async with at_site(request.app[GATEWAY], job):
        content = _content(site, job, name, offset)
        first = await anext(content, b"")
        async with contextlib.aclosing(content), streaming(request, response) as stream:
            if first:
                await stream.send(first)
            async for chunk in content:
                await stream.send(chunk)
    return response


async def _content(site: Site, job: Job, name: str, offset: int) -> AsyncGenerator[bytes]:
    """Yields the rest of a log. One that does not exist (yet) is empty, unless its directory is gone."""
    if not job.directory:
        return
    try:
        if (await site.files.identity(job.directory, name)).size <= offset:
            return
    except NotThere:
        await site.files.stat(job.directory, "")
        return
    async with site.files.read(job.directory, name, offset) as content:
        async for chunk in content:
            yield chunk


async def _followed(
    request: web.Request, job: Job, site: Site, name: str, offset: int, *, events: bool
) -> web.StreamResponse:
    kind = EVENTS if events else "text/plain; charset=utf-8"
    response = web.StreamResponse(headers={"Content-Type": kind, "X-Accel-Buffering": "no"})
    if has_ended(job) and job.directory:  # while an error still has a status
        async with at_site(request.app[GATEWAY], job):
            await site.files.stat(job.directory, "")
    follower = Follower(request.app[GATEWAY], site, job, name, offset)
    account = request[IDENTITY].address
    with request.app[GATEWAY].followers.taken(account):
        async with streaming(request, response) as stream, contextlib.aclosing(follower.chunks()) as chunks:
            try:
                await (_events if events else _text)(stream, follower, chunks, offset)
            except ProvdError as error:
                if not events:
                    raise
                log.warning(
                    "log_interrupted",
                    job=job.spec.job_id,
                    why=str(error),
                    next="the client was asked to connect again; repair what `why` names",
                )
                await stream.send(LogEvents.failed("The site does not answer. Connect again."))
    return response


async def _text(stream: Stream, _: "Follower", chunks: AsyncIterator[bytes], __: int) -> None:
    async for chunk in chunks:
        if chunk:
            await stream.send(chunk)


async def _events(stream: Stream, follower: "Follower", chunks: AsyncIterator[bytes], offset: int) -> None:
    made = LogEvents(offset)
    async for chunk in chunks:
        if event := made.event(chunk) if chunk else KEEP_ALIVE:
            await stream.send(event)
    await stream.send(made.end(follower.job.state.value))


class Follower:
    """One log of one job, from before the job has started until after its end."""

    def __init__(self, gateway: Gateway, site: Site, job: Job, name: str, offset: int) -> None:
        self.job = job
        self._gateway, self._site, self._name, self._offset = gateway, site, name, offset

    async def chunks(self) -> AsyncGenerator[bytes]:
        """Yields the log's bytes, and b"" when there were none for KEEP_ALIVE_SECONDS.

        If the job is submitted again, the log continues in its new directory.
        """
        async with contextlib.aclosing(self._waiting()) as waiting:
            async for nothing in waiting:
                yield nothing
        while not has_ended(self.job):
            async with (
                self._site.files.follow(self.job.directory, self._name, self._offset) as content,
                contextlib.aclosing(self._until_end(aiter(content))) as new,
            ):
                async for chunk in new:
                    self._offset += len(chunk)
                    yield chunk
        async with contextlib.aclosing(_content(self._site, self.job, self._name, self._offset)) as rest:
            async for chunk in rest:
                yield chunk

    async def _waiting(self) -> AsyncGenerator[bytes]:
        """Waits until the job has a directory or has ended."""
        waited = 0.0
        while not self.job.directory and not has_ended(self.job):
            await asyncio.sleep(CHECK_SECONDS)
            waited += CHECK_SECONDS
            self._refresh()
            if waited >= KEEP_ALIVE_SECONDS:
                waited = 0.0
                yield b""

    async def _until_end(self, content: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """Yields what arrives until the job has ended or moved; what it wrote last is read afterwards."""
        quiet, directory = 0.0, self.job.directory
        following: asyncio.Task[bytes] | None = None
        try:
            while not has_ended(self.job) and self.job.directory == directory:
                following = following or asyncio.ensure_future(anext(content))
                done, _ = await asyncio.wait([following], timeout=CHECK_SECONDS)
                if done:
                    chunk, following, quiet = following.result(), None, 0.0
                    yield chunk
                    continue
                quiet += CHECK_SECONDS
                self._refresh()
                if quiet >= KEEP_ALIVE_SECONDS:
                    quiet = 0.0
                    yield b""
        finally:
            if following is not None:
                following.cancel()
                await asyncio.wait([following])

    def _refresh(self) -> None:
        """Reads the job again. While the ledger cannot be read, nothing is known to have changed."""
        with contextlib.suppress(Transient):
            self.job = current(self._gateway, self.job.spec.job_id) or self.job
