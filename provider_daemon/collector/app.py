"""The aiohttp application: paths, limits of bodies, refusals as JSON, metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web

from provider_daemon.collector.bodies import read_heartbeat, read_registration
from provider_daemon.collector.measures import REJECTED, REQUESTS, SECONDS, CollectorMeasures
from provider_daemon.collector.service import CollectorService
from provider_daemon.listener.peer import client_address
from provider_daemon.metrics.gate import IDLE_SECONDS, peer_group
from provider_daemon.node_protocol import published
from provider_daemon.node_protocol.answer import DEFAULT_SECONDS, Answer, RequestError, encode
from provider_daemon.node_protocol.rejection import STATUS, Rejected, Rejection
from provider_daemon.node_protocol.request import HEARTBEAT_PATH, REGISTER_PATH, Request
from provider_daemon.node_protocol.signature import Scheme
from provider_daemon.ports import Clock

log = structlog.get_logger("provd.collector")

BODY_BYTES = 128 * 1024  # a heartbeat of a busy node with eight GPUs has about 5 KiB
BODY_SECONDS = 10.0  # for a body to arrive
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "provd"}
CLIENT_GONE = 499  # in metrics: the client left before the end of the answer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class CollectorParts:
    """`proxied`: a reverse proxy on this host ends TLS."""

    service: CollectorService
    measures: CollectorMeasures
    clock: Clock
    proxied: bool


PARTS = web.AppKey("parts", CollectorParts)
NODE = web.RequestKey("node", str)  # that a registration names


def build_app(parts: CollectorParts) -> web.Application:
    app = web.Application(middlewares=[_observed], client_max_size=BODY_BYTES)
    app[PARTS] = parts
    app.router.add_post(REGISTER_PATH, _register, name="registration")
    app.router.add_post(HEARTBEAT_PATH, _heartbeat, name="heartbeat")
    app.router.add_get("/health", _health)
    return app


async def _health(_: web.Request) -> web.Response:
    """As the published collector."""
    return web.json_response({"status": "ok"})


async def _heartbeat(request: web.Request) -> web.Response:
    service = request.app[PARTS].service
    read, beat = read_heartbeat(await _body(request))
    answer = await service.heartbeat(request.match_info["node_id"], read, beat)
    return _accepted(read, answer)


async def _register(request: web.Request) -> web.Response:
    parts = request.app[PARTS]
    address = peer_group(client_address(request, proxied=parts.proxied))
    read, wanted = read_registration(await _body(request))
    request[NODE] = wanted.node_id
    return _accepted(read, await parts.service.register(read, wanted, address))


@web.middleware
async def _observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers and measures."""
    began, status, measures = time.monotonic(), CLIENT_GONE, request.app[PARTS].measures
    kind = _kind(request)
    try:
        response = await _answered(request, handler)
        response.headers.update(HEADERS)
        status = response.status
        return response
    finally:
        measures.meters.inc(REQUESTS, kind, str(status))
        measures.meters.observe(SECONDS, time.monotonic() - began, kind)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Rejected as refusal:
        return _refused(request, refusal)
    except web.HTTPException as error:
        return web.json_response({"accepted": False}, status=error.status)
    except ConnectionError:
        raise asyncio.CancelledError from None  # as for a client that leaves while nothing is sent to it
    except Exception:
        log.exception("request_crashed", route=_kind(request), next="report this as a bug")
        return _refused(request, Rejected(Rejection.UNAVAILABLE, "the collector failed; its log says why"))


def _refused(request: web.Request, refusal: Rejected) -> web.Response:
    """Returns the refusal, after which the connection is closed: each attempt costs a handshake."""
    parts, node_id = request.app[PARTS], request.match_info.get("node_id") or request.get(NODE, "")
    parts.measures.meters.inc(REJECTED, refusal.reason)
    parts.service.rejected(node_id, refusal)
    answer = Answer(
        accepted=False,
        sequence_ack=parts.service.sequence(node_id) if refusal.reason is Rejection.STALE_SEQUENCE else 0,
        timestamp=int(parts.clock.now()),
        next_heartbeat_seconds=DEFAULT_SECONDS,
        errors=(RequestError(refusal.reason, str(refusal)),),
    )
    response = _response(STATUS[refusal.reason], encode(answer))
    response.force_close()
    return response


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _limited(request)
    except TimeoutError:
        raise Rejected(Rejection.TOO_SLOW, f"the body did not arrive in {BODY_SECONDS:g} s") from None


async def _limited(request: web.Request) -> bytes:
    kept = bytearray()
    if (request.content_length or 0) <= BODY_BYTES:
        async for chunk in request.content.iter_any():
            kept += chunk
            if len(kept) > BODY_BYTES:
                break
        else:
            return bytes(kept)
    raise Rejected(Rejection.OVERSIZE, f"a request may have {BODY_BYTES} bytes")


def _accepted(read: Request, answer: Answer) -> web.Response:
    ours = read.auth is not None and read.auth.scheme is Scheme.PROVD
    response = _response(HTTPStatus.OK, encode(answer) if ours else published.answer(answer))
    if answer.next_heartbeat_seconds >= IDLE_SECONDS:
        # Thousands of idle connections would take more memory than another handshake takes time, and at the
        # limit they would displace each other.
        response.force_close()
    return response


def _response(status: HTTPStatus, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


def _kind(request: web.Request) -> str:
    """Returns what a request is, for metrics: a bounded list."""
    return request.match_info.route.name or "other"
