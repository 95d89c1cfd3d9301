"""GET /v1/jobs, /v1/jobs/{id} and its manifest; POST /v1/jobs/{id}/links."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from urllib.parse import quote

import structlog
from aiohttp import web

from provider_daemon.errors import Transient
from provider_daemon.gateway.access import GATEWAY, IDENTITY, identify, job_of, number, permit
from provider_daemon.gateway.answers import answer, body, streaming
from provider_daemon.gateway.errors import ApiError, Code
from provider_daemon.gateway.job_view import details, dispute, summary
from provider_daemon.gateway.parts import Gateway
from provider_daemon.gateway.ranges import is_same
from provider_daemon.job.job import Job
from provider_daemon.tokens.identity import Right
from provider_daemon.tokens.login import LINK_SECONDS
from provider_daemon.transfers.rows import JobTransfer, ManifestLine

log = structlog.get_logger("provd.gateway")

NEWEST = 10**18 - 1  # above every job's number
MOST_JOBS = 200  # of one page
LINES_AT_ONCE = 500  # of a manifest


async def jobs(request: web.Request) -> web.Response:
    """The customer's jobs here, newest first."""
    identity = await identify(request)
    permit(identity, Right.STATUS)
    after = number(request, "after", NEWEST, 1, NEWEST)
    found = request.app[GATEWAY].ledger.jobs_of(
        identity.address, before=after, count=number(request, "limit", 50, 1, MOST_JOBS)
    )
    if found.unreadable:
        log.error(
            "jobs_unreadable",
            jobs=list(found.unreadable),
            next="the customer sees only the other jobs; run `provd ledger repair`",
        )
    return answer(
        {
            "jobs": [summary(row, job) for row, job in found.jobs],
            "unreadable": list(found.unreadable),
            "more": found.more,
        }
    )


async def job(request: web.Request) -> web.Response:
    """One job: state, inputs, results, bill, and when its directory is deleted."""
    found, site = await job_of(request, Right.STATUS)
    gateway = request.app[GATEWAY]
    transfer, mover = _transfer(gateway, found)
    return answer(
        details(
            found,
            transfer,
            mover=mover,
            results_days=site.results_days,
            report=gateway.ledger.final_report(found.spec.job_id),
        )
    )


def _transfer(gateway: Gateway, job: Job) -> tuple[JobTransfer | None, str]:
    """Returns the data mover's facts, and whether they could be read: ok, unavailable or none."""
    if gateway.transfers is None:
        return None, "none"
    try:
        return gateway.transfers.job(job.name), "ok"
    except Transient:
        return None, "unavailable"


async def disputes(request: web.Request) -> web.Response:
    """The disputes about one job, and the hash of the provider's answer to each."""
    found, _ = await job_of(request, Right.STATUS)
    known = request.app[GATEWAY].ledger.disputes_of(found.spec.job_id)
    return answer({"disputes": [dispute(each) for each in known]})


async def evidence(request: web.Request) -> web.Response:
    """The signed evidence of the provider's answer to a dispute, a zip file."""
    found, _ = await job_of(request, Right.STATUS)
    ledger, dispute_id = request.app[GATEWAY].ledger, request.match_info["dispute"]
    if dispute_id not in {each.dispute.dispute_id for each in ledger.disputes_of(found.spec.job_id)}:
        raise ApiError(Code.NOT_FOUND, "This job has no such dispute here.")
    archive = ledger.evidence_of(dispute_id)
    if archive is None:
        raise ApiError(Code.NOT_FOUND, "The provider has not answered this dispute.")
    headers = {"Content-Disposition": f'attachment; filename="{dispute_id}.zip"'}
    return web.Response(body=archive, content_type="application/zip", headers=headers)


async def manifest(request: web.Request) -> web.StreamResponse:
    """The manifest: one line per file, `<sha256> <size> <path as JSON>`, sorted by the path's bytes."""
    found, _ = await job_of(request, Right.STATUS)
    gateway = request.app[GATEWAY]
    row = gateway.transfers.job(found.name) if gateway.transfers else None
    if gateway.transfers is None or row is None or row.transfer.results is None:
        detail = row.results_detail if row else ""
        raise ApiError(Code.NO_MANIFEST, f"The job has no manifest{f': {detail}' if detail else ' yet.'}")
    tag = f'"{row.transfer.results.root}"'
    headers = {"ETag": tag, "Content-Type": "text/plain; charset=utf-8"}
    if is_same(request.headers.get("If-None-Match", ""), tag):
        return web.Response(status=304, headers={"ETag": tag})
    lines = gateway.transfers.manifest_lines(found.name)
    if lines is None:
        raise ApiError(Code.NO_MANIFEST, "The results were deleted, and their manifest is not kept any more.")
    response = web.StreamResponse(headers=headers)
    async with streaming(request, response) as stream:
        while part := await asyncio.to_thread(_part, lines):
            await stream.send(part.encode())
    return response


def _part(lines: Iterator[ManifestLine]) -> str:
    return "".join(map(str, islice(lines, LINES_AT_ONCE)))


async def link(request: web.Request) -> web.Response:
    """A link with which anybody can read this one job until it expires."""
    found, _ = await job_of(request, Right.DELEGATE)
    gateway, job_id = request.app[GATEWAY], found.spec.job_id
    seconds = (await body(request)).get("seconds", 3600)
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 1 <= seconds <= LINK_SECONDS:
        raise ApiError(Code.BAD_REQUEST, f"seconds must be a whole number from 1 to {LINK_SECONDS}.")
    made = gateway.logins.authenticator.link(request[IDENTITY], job_id, seconds, gateway.clock.now())
    url = gateway.url.rstrip("/")
    return answer(
        {
            "url": f"{url}/v1/jobs/{job_id}/archive?token={quote(made.token)}",
            "page": f"{url}/#job={job_id}&token={quote(made.token)}",
            "token": made.token,
            "expires_at": made.expires_at,
        },
        status=201,
    )
