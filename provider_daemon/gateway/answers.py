"""Answers: JSON, and streams with a limit for clients that do not read."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from provider_daemon.gateway.access import GATEWAY, IDENTITY
from provider_daemon.gateway.errors import ApiError, Code
from provider_daemon.gateway.limits import BODY_SECONDS, JSON_BYTES, STALLED_SECONDS, Slots

# The answer whose head is sent: an error can only cut it off.
STREAMED = web.RequestKey("streamed", web.StreamResponse)


def answer(value: Mapping[str, Any], status: int = 200) -> web.Response:
    """Returns JSON in ASCII: bytes of a name that are not UTF-8 are written as \\udc80 to \\udcff."""
    return web.Response(text=json.dumps(value) + "\n", content_type="application/json", status=status)


async def body(request: web.Request) -> dict[str, Any]:
    """Returns the JSON object in the request's body. Raises ApiError."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            text = await _limited(request)
        value = json.loads(text)
    except TimeoutError:
        raise ApiError(Code.TOO_SLOW, "The body did not arrive in time.") from None
    except (ValueError, RecursionError):
        raise ApiError(Code.BAD_REQUEST, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise ApiError(Code.BAD_REQUEST, "The body must be a JSON object.")
    return value


async def _limited(request: web.Request) -> bytes:
    kept = bytearray()
    async for chunk in request.content.iter_any():
        kept += chunk
        if len(kept) > JSON_BYTES:
            raise ApiError(Code.TOO_LARGE, f"The body may have at most {JSON_BYTES} bytes.")
    return bytes(kept)


def text(value: Mapping[str, Any], name: str, most: int) -> str:
    """Returns a text of a JSON body. Raises ApiError if it is missing, not a text, or too long."""
    found = value.get(name)
    if not isinstance(found, str) or not found or len(found) > most:
        raise ApiError(Code.BAD_REQUEST, f"{name} must be a text of at most {most} characters.")
    return found


class Stream:
    """A streamed answer. `send` gives up on a client that does not read."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self._request, self._response = request, response
        self._measures = request.app[GATEWAY].measures

    async def send(self, chunk: bytes) -> None:
        """Raises ConnectionError if the client is gone or does not read."""
        try:
            async with asyncio.timeout(STALLED_SECONDS):
                await self._response.write(chunk)
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionResetError("the client does not read") from None
        self._measures.sent(len(chunk))


@asynccontextmanager
async def streaming(
    request: web.Request, response: web.StreamResponse, slots: Slots | None = None
) -> AsyncIterator[Stream]:
    """Sends the answer's head, and its end unless something fails: a client sees a cut answer as cut.

    Raises ApiError if the account has too many streams open.
    """
    gateway = request.app[GATEWAY]
    with (slots or gateway.streams).taken(request[IDENTITY].address):
        gateway.measures.streams += 1
        try:
            request[STREAMED] = response
            await response.prepare(request)
            yield Stream(request, response)
            await response.write_eof()
        finally:
            gateway.measures.streams -= 1
