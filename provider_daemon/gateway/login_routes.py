"""POST /v1/login/challenge and /v1/login/session; GET /v1/info."""

from aiohttp import web

from provider_daemon import __version__
from provider_daemon.audit_log.recorder import by_customer
from provider_daemon.audit_log.records import Action
from provider_daemon.gateway.access import GATEWAY, authenticated, limited_as, refused
from provider_daemon.gateway.answers import answer, body, text
from provider_daemon.gateway.errors import ApiError
from provider_daemon.gateway.limits import too_many
from provider_daemon.tokens.refusal import TokenRefused
from provider_daemon.tokens.session import Session


async def info(request: web.Request) -> web.Response:
    """What a client must know before it logs in."""
    gateway = request.app[GATEWAY]
    audience = gateway.logins.audience
    return answer(
        {
            "version": __version__,
            "url": gateway.url,
            "chain_id": gateway.chain_id,
            "providers": sorted(audience.providers),
            "audience": audience.claim,
            "clusters": [{"id": key, "name": site.name} for key, site in gateway.sites.items()],
            "uploads": {"quota_bytes": gateway.uploads.per_customer},
            "data_mover": gateway.transfers is not None,
        }
    )


async def challenge(request: web.Request) -> web.Response:
    """A text for the wallet to sign."""
    gateway = request.app[GATEWAY]
    _limit(request)
    asked = await body(request)
    try:
        made = gateway.logins.authenticator.challenge(
            text(asked, "address", 90), gateway.logins.nonce(), gateway.clock.now()
        )
    except TokenRefused as error:
        raise refused(request, error) from None
    return answer({"challenge": made.text, "expires_at": made.expires_at})


async def session(request: web.Request) -> web.Response:
    """A session for a signed challenge, or for a JWT: full and scoped ones are accepted once."""
    _limit(request)
    asked = await body(request)
    try:
        made = await _exchanged(request, asked) if "token" in asked else _signed(request, asked)
    except TokenRefused as error:
        _count_failure(request)
        raise refused(request, error) from None
    except ApiError:
        _count_failure(request)
        raise
    gateway = request.app[GATEWAY]
    if gateway.recorder is not None:
        gateway.recorder.record([by_customer(made.address, Action.LOGGED_IN)], gateway.clock.now())
    return answer({"token": made.token, "expires_at": made.expires_at, "address": made.address})


async def _exchanged(request: web.Request, asked: dict[str, object]) -> Session:
    identity = await authenticated(request, text(asked, "token", 8000))
    return request.app[GATEWAY].logins.authenticator.session(identity)


def _signed(request: web.Request, asked: dict[str, object]) -> Session:
    gateway = request.app[GATEWAY]
    return gateway.logins.authenticator.log_in(
        text(asked, "challenge", 4096),
        text(asked, "public_key", 100),
        text(asked, "signature", 200),
        gateway.clock.now(),
    )


def _limit(request: web.Request) -> None:
    gateway = request.app[GATEWAY]
    if wait := gateway.failures.wait(limited_as(request), gateway.clock.now()):
        raise too_many(wait)


def _count_failure(request: web.Request) -> None:
    gateway = request.app[GATEWAY]
    gateway.failures.spend(limited_as(request), gateway.clock.now())
