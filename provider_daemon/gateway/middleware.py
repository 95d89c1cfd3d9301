"""Around every request: limits, errors as JSON, security headers, metrics, and one log line."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from provider_daemon.errors import ProvdError, Transient
from provider_daemon.gateway import audited
from provider_daemon.gateway.access import GATEWAY, IDENTITY, address_of, limited_as, refused
from provider_daemon.gateway.answers import STREAMED
from provider_daemon.gateway.errors import ApiError, Code
from provider_daemon.gateway.measures import REQUESTS, SECONDS
from provider_daemon.tokens.refusal import TokenRefused

log = structlog.get_logger("provd.gateway")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
CLIENT_GONE = 499  # in metrics and logs: the client left before the end of the answer
TLS_HEADERS = {"Strict-Transport-Security": "max-age=31536000"}


@web.middleware
async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers, measures and logs. The log has the route, never the query: links have their token there."""
    began, status = time.monotonic(), CLIENT_GONE
    try:
        response = await _answered(request, handler)
        status = response.status
        return response
    except ConnectionError:
        raise asyncio.CancelledError from None  # as for a client that leaves while nothing is sent to it
    finally:
        _record(request, status, time.monotonic() - began)


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        gateway = request.app[GATEWAY]
        gateway.by_address.check(limited_as(request), gateway.clock.now())
        return await handler(request)
    except ApiError as error:
        return _failed(request, error, "")
    except TokenRefused as error:
        return _failed(request, refused(request, error), "")
    except web.HTTPException as error:
        return _failed(request, _by_status(error), "")
    except ConnectionError:
        raise
    except ProvdError as error:
        wait = {"Retry-After": "5"} if isinstance(error, Transient) else {}
        message = "A part of the site does not answer correctly now. Try again later."
        return _failed(request, ApiError(Code.UNAVAILABLE, message, headers=wait), str(error))
    except OSError as error:
        message = "The gateway's storage failed. Try again later."
        return _failed(request, ApiError(Code.UNAVAILABLE, message), error.strerror or "OSError")
    except Exception:
        log.exception("request_crashed", route=_route(request), next="report this as a bug")
        return _failed(
            request,
            ApiError(
                Code.INTERNAL,
                "The gateway failed because of an error in its program. Its log has the details.",
            ),
            "",
        )


def _failed(request: web.Request, error: ApiError, why: str) -> web.StreamResponse:
    """Returns the error, or cuts off an answer that has begun, so that nobody takes it for whole."""
    begun: web.StreamResponse | None = request.get(STREAMED)
    if why or begun is not None:
        _warn(request, why or error.message)
    if begun is None:
        return error.response()
    if request.transport is not None:
        request.transport.abort()
    return begun


def _warn(request: web.Request, why: str) -> None:
    gateway, route = request.app[GATEWAY], _route(request)
    if gateway.ongoing.start("request_failed", route, gateway.clock.now(), why):
        log.warning(
            "request_failed", route=route, why=why, next="the client got an error; repair what `why` names"
        )


def _by_status(error: web.HTTPException) -> ApiError:
    if error.status == 405:
        return ApiError(Code.METHOD, "This method is not allowed at this address.", headers=_allowed(error))
    if error.status == 413:
        return ApiError(Code.TOO_LARGE, "The body is too large.")
    if error.status == 404:
        return ApiError(Code.NOT_FOUND, "There is no such address; /openapi.json lists them.")
    return ApiError(Code.BAD_REQUEST, "The request cannot be understood.")


def _allowed(error: web.HTTPException) -> dict[str, str]:
    return {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}


def _route(request: web.Request) -> str:
    """Returns the route's pattern, such as /v1/jobs/{id}: a bounded list."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _record(request: web.Request, status: int, seconds: float) -> None:
    gateway, route = request.app[GATEWAY], _route(request)
    gateway.measures.meters.inc(REQUESTS, route, str(status))
    if not route.endswith("/log"):
        gateway.measures.meters.observe(SECONDS, seconds, route)
    identity = request.get(IDENTITY)
    if identity is not None:
        if gateway.recorder and (deed := audited.deed(request, route, status, identity.address)):
            gateway.recorder.record([deed], gateway.clock.now())
        log.info(
            "request",
            method=request.method,
            route=route,
            job=request.match_info.get("id", ""),
            status=status,
            seconds=round(seconds, 3),
            account=identity.address,
            address=address_of(request),
        )


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Adds security headers to every answer; an answer may have set its own."""
    for name, value in {**HEADERS, **(TLS_HEADERS if request.app[GATEWAY].secure else {})}.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "provd"
