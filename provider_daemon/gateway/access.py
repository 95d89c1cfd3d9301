"""Who is asking, and what is granted: a token of the request, and the job's customer in the ledger."""

import re

import structlog
from aiohttp import web

from provider_daemon.errors import Refused, Unreadable
from provider_daemon.gateway.errors import ApiError, Code
from provider_daemon.gateway.limits import too_many
from provider_daemon.gateway.measures import REFUSED
from provider_daemon.gateway.parts import Gateway, Site
from provider_daemon.job.job import Job
from provider_daemon.job.site_root import user_at
from provider_daemon.listener.peer import client_address
from provider_daemon.metrics.gate import peer_group
from provider_daemon.tokens.identity import Identity, Right
from provider_daemon.tokens.refusal import TokenRefusal, TokenRefused
from provider_daemon.tokens.session import PREFIX

log = structlog.get_logger("provd.gateway")

GATEWAY = web.AppKey("gateway", Gateway)
IDENTITY = web.RequestKey("identity", Identity)
EVENTS = "text/event-stream"
MAX_TOKEN = 8000  # characters
_JOB_ID = re.compile(r"JOB-[0-9]{1,20}", re.ASCII)
_NOT_YOURS = "This is not a job of your account here."


def address_of(request: web.Request) -> str:
    """Returns the customer's IP address."""
    return client_address(request, proxied=request.app[GATEWAY].proxied)


def limited_as(request: web.Request) -> str:
    """Returns the key under which the customer's requests are counted."""
    return peer_group(address_of(request))


async def identify(request: web.Request) -> Identity:
    """Returns the customer. Raises ApiError without a valid token, and after too many invalid ones."""
    gateway, now = request.app[GATEWAY], request.app[GATEWAY].clock.now()
    address = limited_as(request)
    if wait := gateway.failures.wait(address, now):
        raise too_many(wait)
    try:
        identity = await authenticated(request, _token(request))
        _check_place(request, identity)
    except ApiError as error:
        if error.code.status in (401, 403):
            gateway.failures.spend(address, now)
        raise
    gateway.by_account.check(identity.address, now)
    request[IDENTITY] = identity
    return identity


async def authenticated(request: web.Request, token: str) -> Identity:
    """Returns whom a token stands for. Raises ApiError (401)."""
    gateway = request.app[GATEWAY]
    try:
        return await gateway.logins.authenticator.authenticate(token, gateway.clock.now())
    except TokenRefused as error:
        raise refused(request, error) from None
    except (Refused, Unreadable) as error:  # the account's key on chain cannot be used
        raise ApiError(Code.NO_PUBLIC_KEY, str(error), headers=_CHALLENGE) from None


_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="provd"'}


def refused(request: web.Request, error: TokenRefused) -> ApiError:
    """Returns the answer to a refused login, after counting and logging it."""
    gateway, address = request.app[GATEWAY], address_of(request)
    reason = error.reason.value
    gateway.measures.meters.inc(REFUSED, reason)
    if gateway.ongoing.start("login_refused", address, gateway.clock.now(), reason):
        log.info("login_refused", address=address, reason=reason)
    if error.reason is TokenRefusal.UNKNOWN_ACCOUNT:
        return ApiError(Code.NO_PUBLIC_KEY, str(error), headers=_CHALLENGE)
    if error.reason is TokenRefusal.NO_PERMISSION:
        return ApiError(Code.NOT_PERMITTED, str(error), code_text=reason)
    return ApiError(Code.LOGIN_REFUSED, str(error), headers=_CHALLENGE, code_text=reason)


def _token(request: web.Request) -> str:
    """Returns the token of the Authorization header, or of the address for links and event streams."""
    headers, queries = request.headers.getall("Authorization", []), request.query.getall("token", [])
    if len(headers) + len(queries) != 1:
        message = "Send one token: as `Authorization: Bearer <token>`."
        raise ApiError(Code.LOGIN_REQUIRED, message, headers=_CHALLENGE)
    if queries:
        return _checked(queries[0], prefix=PREFIX)
    scheme, _, token = headers[0].partition(" ")
    if scheme.lower() != "bearer":
        raise ApiError(Code.LOGIN_REQUIRED, "The Authorization header must be Bearer.", headers=_CHALLENGE)
    return _checked(token.strip())


def _checked(token: str, prefix: str = "") -> str:
    if not token or len(token) > MAX_TOKEN or not token.isascii() or not token.startswith(prefix):
        message = "The token is empty, too long, or of a kind that does not belong into an address."
        raise ApiError(Code.LOGIN_REQUIRED, message, headers=_CHALLENGE)
    return token


def _check_place(request: web.Request, identity: Identity) -> None:
    """Refuses a session in an address: only links and event streams cannot send a header."""
    if "token" not in request.query:
        return
    link = bool(identity.scope.job_id) and request.method in ("GET", "HEAD")
    events = request.method == "GET" and EVENTS in request.headers.get("Accept", "")
    if not (link or events):
        message = "A session belongs into the Authorization header, not into the address."
        raise ApiError(Code.LOGIN_REQUIRED, message, headers=_CHALLENGE)


def permit(identity: Identity, right: Right, job_id: str = "") -> None:
    """Raises ApiError if the login does not have the right."""
    if identity.scope.allows(right, job_id):
        return
    if job_id and identity.scope.job_id not in ("", job_id):
        raise ApiError(Code.NOT_YOURS, _NOT_YOURS)
    raise ApiError(Code.NOT_PERMITTED, f"This login does not permit {right.value}.")


async def job_of(request: web.Request, right: Right) -> tuple[Job, Site]:
    """Returns the job in the address, if it is the customer's.

    Raises ApiError: for another customer's job the same as for one that does not exist.
    """
    job_id = request.match_info["id"]
    identity = await identify(request)
    permit(identity, right, job_id)
    job = current(request.app[GATEWAY], job_id) if _JOB_ID.fullmatch(job_id) else None
    if job is None or job.spec.customer != identity.address:
        raise ApiError(Code.NOT_YOURS, _NOT_YOURS)
    site = request.app[GATEWAY].sites.get(job.spec.cluster_id)
    if site is None:
        raise ApiError(Code.UNAVAILABLE, f"The gateway does not serve cluster {job.spec.cluster_id}.")
    if right is Right.FILES:
        _check_user(request.app[GATEWAY], site, job)
    return job, site


def _check_user(gateway: Gateway, site: Site, job: Job) -> None:
    """Raises ApiError unless the files are read as the job's Unix user, who is still the customer's."""
    if not job.directory:
        return
    if user_at(site.work_root, job.directory) != job.user:
        raise ApiError(
            Code.UNAVAILABLE, "The job's directory is outside the work_root that the provider uses now."
        )
    if job.user and gateway.ledger.customer_of(job.spec.cluster_id, job.user) != job.spec.customer:
        raise ApiError(Code.DELETED, "The job's directory was deleted after its retention.")


def current(gateway: Gateway, job_id: str) -> Job | None:
    """Returns the job as the ledger has it now. Raises Transient if the ledger cannot be read."""
    return gateway.ledger.job(job_id)


def directory_of(job: Job) -> str:
    """Returns the job's directory at the site. Raises ApiError before the job was submitted."""
    if not job.directory:
        raise ApiError(Code.NOT_STARTED, "The job has no directory yet: it was not submitted to SLURM.")
    return job.directory


def number(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    """Returns a whole number of the query. Raises ApiError outside low..high."""
    text = request.query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) or not low <= int(text) <= high:
        raise ApiError(Code.BAD_REQUEST, f"{name} must be a whole number from {low} to {high}.")
    return int(text)
