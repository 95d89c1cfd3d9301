"""GET, HEAD, PATCH, PUT and DELETE /v1/uploads/{sha256}; GET /v1/uploads."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from dataclasses import asdict

from aiohttp import web

from provider_daemon.gateway.access import GATEWAY, identify, permit
from provider_daemon.gateway.answers import answer, streaming
from provider_daemon.gateway.errors import ApiError, Code
from provider_daemon.gateway.limits import CHUNK_SECONDS
from provider_daemon.gateway.ranges import requested
from provider_daemon.gateway.uploads import offsets
from provider_daemon.tokens.identity import Right

CHUNK = 256 * 1024
SLOWEST = 1024  # bytes a second over a whole request, after CHUNK_SECONDS
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)


async def _named(request: web.Request) -> tuple[str, str]:
    """Returns (account, hash) of a request. Raises ApiError."""
    identity = await identify(request)
    permit(identity, Right.UPLOAD)
    sha256 = request.match_info["sha256"]
    if not _HASH.fullmatch(sha256):
        raise ApiError(Code.BAD_REQUEST, "An upload is named by its SHA-256, in 64 lower-case hex digits.")
    return identity.address, sha256


async def uploads(request: web.Request) -> web.Response:
    """The customer's uploads, and the quota."""
    identity = await identify(request)
    permit(identity, Right.UPLOAD)
    store = request.app[GATEWAY].uploads
    used = store.used_by(identity.address)
    quota = {"quota_bytes": store.per_customer, "used_bytes": used}
    return answer({"uploads": [asdict(upload) for upload in store.of(identity.address)], **quota})


async def head(request: web.Request) -> web.Response:
    """How much of an upload has arrived."""
    account, sha256 = await _named(request)
    found = await request.app[GATEWAY].uploads.settled(account, sha256)
    if found is None:
        raise ApiError(Code.NOT_FOUND, "There is no such upload.")
    return web.Response(headers=offsets(found))


async def content(request: web.Request) -> web.StreamResponse:
    """A whole upload, or a part of it."""
    account, sha256 = await _named(request)
    file = await asyncio.to_thread(request.app[GATEWAY].uploads.content, account, sha256)
    with file:
        size = os.fstat(file.fileno()).st_size
        tag = f'"{sha256}"'
        part = requested(request.headers.get("Range"), request.headers.get("If-Range"), tag, size)
        start, left = (part.start, part.length) if part else (0, size)
        headers = {
            "ETag": tag,
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
            "Content-Length": str(left),
            "Content-Disposition": f'attachment; filename="{sha256}"',
            **({"Content-Range": part.header} if part else {}),
        }
        file.seek(start)
        response = web.StreamResponse(status=206 if part else 200, headers=headers)
        async with streaming(request, response) as stream:
            while left and (chunk := await asyncio.to_thread(file.read, min(CHUNK, left))):
                left -= len(chunk)
                await stream.send(chunk)
    return response


async def patch(request: web.Request) -> web.Response:
    """Appends at Upload-Offset. The first request names Upload-Length."""
    account, sha256 = await _named(request)
    found = request.app[GATEWAY].uploads.find(account, sha256)
    offset = _header(request, "Upload-Offset")
    if offset is None:
        raise ApiError(Code.BAD_REQUEST, "Upload-Offset is required.")
    length = _header(request, "Upload-Length")
    if length is None:
        if found is None:
            raise ApiError(Code.LENGTH_REQUIRED, "The first request must have Upload-Length.")
        length = found.length
    return await _receive(request, account, sha256, offset, length)


async def put(request: web.Request) -> web.Response:
    """Sends all of it at once. What has arrived of an interrupted one is discarded."""
    account, sha256 = await _named(request)
    if request.content_length is None:
        raise ApiError(Code.LENGTH_REQUIRED, "PUT needs Content-Length; use PATCH to send parts.")
    store = request.app[GATEWAY].uploads
    found = store.find(account, sha256)
    if found is not None and not found.whole:
        store.remove(account, sha256)
    return await _receive(request, account, sha256, 0, request.content_length)


async def delete(request: web.Request) -> web.Response:
    """Deletes an upload, whole or not. Inputs that were already fetched for a job stay with the job."""
    account, sha256 = await _named(request)
    request.app[GATEWAY].uploads.remove(account, sha256)
    return web.Response(status=204)


async def _receive(request: web.Request, account: str, sha256: str, offset: int, length: int) -> web.Response:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise ApiError(Code.ENCODED, "Uploads are stored as they are: send them without Content-Encoding.")
    if request.content_length is not None and offset + request.content_length > length:
        raise ApiError(Code.TOO_LARGE, f"The upload has more than its {length} declared bytes.")
    store = request.app[GATEWAY].uploads
    found = await store.append(account, sha256, offset, length, _chunks(request))
    request.app[GATEWAY].measures.uploads = store.used
    return web.Response(status=201 if found.whole else 204, headers=offsets(found))


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    """Yields the body. Raises ApiError for a sender that is too slow."""
    gateway, received = request.app[GATEWAY], 0
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        try:
            async with asyncio.timeout(CHUNK_SECONDS):
                chunk = await request.content.read(CHUNK)
        except TimeoutError:
            raise ApiError(Code.TOO_SLOW, "The upload is too slow. Continue it later.") from None
        if not chunk:
            return
        received += len(chunk)
        if clock() - began > CHUNK_SECONDS + received / SLOWEST:
            raise ApiError(Code.TOO_SLOW, "The upload is too slow. Continue it later.")
        gateway.measures.received(len(chunk))
        yield chunk


def _header(request: web.Request, name: str) -> int | None:
    values = request.headers.getall(name, [])
    if not values:
        return None
    if len(values) > 1 or not _LENGTH.fullmatch(values[0]):
        raise ApiError(Code.BAD_REQUEST, f"{name} must be one whole number.")
    return int(values[0])
