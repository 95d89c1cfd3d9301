"""GET /v1/jobs/{id}/files, .../files/{path} and .../archive."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from aiohttp import web

from provider_daemon.gateway import paths
from provider_daemon.gateway.access import GATEWAY, directory_of, job_of, number
from provider_daemon.gateway.answers import answer, streaming
from provider_daemon.gateway.errors import ApiError, Code
from provider_daemon.gateway.parts import Gateway, Site
from provider_daemon.gateway.ranges import entity_tag, http_date, is_same, requested
from provider_daemon.job.job import Job
from provider_daemon.site_files.stream import FileStream
from provider_daemon.site_files.values import Identity, NotAllowed, NotThere
from provider_daemon.tokens.identity import Right

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MOST_ENTRIES = 5000  # of one page of a listing
ZSTD_LEVEL = 3


@asynccontextmanager
async def at_site(gateway: Gateway, job: Job) -> AsyncIterator[None]:
    """Turns what the site refuses into the API's errors."""
    try:
        yield
    except NotThere:
        if _deleted(gateway, job):
            raise ApiError(Code.DELETED, "The job's directory was deleted after its retention.") from None
        raise ApiError(Code.NOT_FOUND, "There is no such file in the job's directory.") from None
    except NotAllowed:
        message = "This is not a regular file that can be read: links and devices are never followed."
        raise ApiError(Code.UNREADABLE_FILE, message) from None


def _deleted(gateway: Gateway, job: Job) -> bool:
    row = gateway.transfers.job(job.name) if gateway.transfers else None
    return row is not None and row.deleted_at is not None


async def files(request: web.Request) -> web.Response:
    """One directory's entries, in the order of the bytes of their names."""
    job, site = await job_of(request, Right.FILES)
    root, prefix = directory_of(job), paths.prefix(request.query.get("prefix", ""))
    after = request.query.get("after", "")
    limit = number(request, "limit", 1000, 1, MOST_ENTRIES)
    async with at_site(request.app[GATEWAY], job):
        found = await site.files.list(root, prefix, paths.checked(after) if after else "", limit)
    entries = [
        {"path": each.path, "kind": each.kind.value, "size": each.size, "modified_at": each.modified_at}
        for each in found.entries
    ]
    return answer({"files": entries, "more": found.more})


async def file(request: web.Request) -> web.StreamResponse:
    """One file, whole or a part of it."""
    job, site = await job_of(request, Right.FILES)
    gateway, root = request.app[GATEWAY], directory_of(job)
    path = paths.from_url(request.rel_url.raw_path.partition("/files/")[2])
    async with at_site(gateway, job):
        identity = await site.files.identity(root, path)
    tag = entity_tag(identity.size, identity.mtime_ns, identity.ctime_ns)
    if is_same(request.headers.get("If-None-Match", ""), tag):
        return web.Response(status=304, headers={"ETag": tag})
    part = requested(request.headers.get("Range"), request.headers.get("If-Range"), tag, identity.size)
    start, length = (part.start, part.length) if part else (0, identity.size)
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "Content-Length": str(length),
        "Content-Disposition": _attachment(path.rpartition("/")[2]),
        **({"Content-Range": part.header} if part else {}),
        **({"Last-Modified": date} if (date := http_date(identity.mtime_ns // 10**9)) else {}),
    }
    response = web.StreamResponse(status=206 if part else 200, headers=headers)
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    async with at_site(gateway, job), site.files.read(root, path, start, length) as content:
        _check_same(content, identity)
        async with streaming(request, response) as stream:
            async for chunk in content:
                await stream.send(chunk)
    return response


def _check_same(content: FileStream, before: Identity) -> None:
    """Refuses a file that was replaced since its tag was computed; a log that grows is the same file."""
    if content.identity.inode != before.inode or content.identity.size < before.size:
        raise ApiError(
            Code.UNAVAILABLE, "The file was just replaced. Try again.", headers={"Retry-After": "1"}
        )


def _attachment(name: str) -> str:
    """Returns a Content-Disposition: browsers store what jobs made, and never show it as a page of ours."""
    encoded = quote(name.encode(errors="surrogateescape"), safe="")
    return f"attachment; filename*=UTF-8''{encoded}"


async def archive(request: web.Request) -> web.StreamResponse:
    """All results as one archive, without the inputs."""
    kind = request.query.get("format", "tar")
    if kind not in ("tar", "tar.zst"):
        raise ApiError(Code.BAD_REQUEST, "format must be tar or tar.zst.")
    job, site = await job_of(request, Right.FILES)
    headers = {
        "Content-Type": "application/zstd" if kind == "tar.zst" else "application/x-tar",
        "Content-Disposition": f'attachment; filename="{job.spec.job_id}.{kind}"',
    }
    response = web.StreamResponse(headers=headers)
    gateway = request.app[GATEWAY]
    with gateway.archives.taken(job.spec.customer):
        async with at_site(gateway, job), _archived(site, directory_of(job)) as content:
            await _send_archive(request, response, content, kind)
    return response


async def _send_archive(
    request: web.Request, response: web.StreamResponse, content: AsyncGenerator[bytes], kind: str
) -> None:
    packed = _compressed(content) if kind == "tar.zst" else content
    async with streaming(request, response) as stream, contextlib.aclosing(packed):
        async for chunk in packed:
            await stream.send(chunk)


@asynccontextmanager
async def _archived(site: Site, root: str) -> AsyncIterator[AsyncGenerator[bytes]]:
    """Yields the archive after its first bytes are there: until then an error still has a status."""
    async with site.files.archive(root) as content:
        chunks = aiter(content)
        first = await anext(chunks, b"")
        async with contextlib.aclosing(_from(first, chunks)) as whole:
            yield whole


async def _from(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    if first:
        yield first
    async for chunk in rest:
        yield chunk


async def _compressed(content: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    packer = zstd.ZstdCompressor(level=ZSTD_LEVEL)
    async for chunk in content:
        if packed := await asyncio.to_thread(packer.compress, chunk):
            yield packed
    yield packer.flush()
