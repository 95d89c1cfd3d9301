"""Every route of the API, with what the OpenAPI document says about it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from provider_daemon.gateway import (
    catalogue_routes,
    file_routes,
    job_routes,
    log_routes,
    login_routes,
    page_routes,
    upload_routes,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query or a header; parameters of the path follow from the route."""

    name: str
    text: str
    schema: Schema = field(default_factory=lambda: TEXT)
    place: str = "query"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """`answers`: status -> media type, or the name of a schema for JSON; "" for no body.

    `link`: a token in the query is accepted. `body`: the name of the schema of a JSON body, or a media type.
    """

    method: str
    path: str
    handler: Handler
    answers: Mapping[int, str]
    parameters: tuple[Parameter, ...] = ()
    body: str = ""
    login: bool = True
    link: bool = False

    @property
    def summary(self) -> str:
        return (self.handler.__doc__ or "").split("\n")[0].rstrip(".")


JOB, FILE, UPLOAD = "/v1/jobs/{id}", "/v1/jobs/{id}/files/{path}", "/v1/uploads/{sha256}"
BYTES, LINES = "application/octet-stream", "text/plain"
_LIMIT = Parameter("limit", "Most entries of the page.", COUNT)
_RANGE = Parameter("Range", "One range of bytes, such as bytes=1000-.", place="header")
_IF_RANGE = Parameter("If-Range", "The ETag of the part that the client has.", place="header")
_IF_NONE = Parameter("If-None-Match", "The ETag of the client's copy.", place="header")
_PARTIAL = (_RANGE, _IF_RANGE, _IF_NONE)
_LENGTH = Parameter("Upload-Length", "Bytes of the whole upload.", COUNT, "header")
_OFFSET = Parameter("Upload-Offset", "Bytes that have arrived before.", COUNT, "header", required=True)

ROUTES = (
    Route("GET", "/", page_routes.index, {200: "text/html"}, login=False),
    Route("GET", "/page/{name}", page_routes.part, {200: BYTES}, login=False),
    Route("GET", "/v1/info", login_routes.info, {200: "Info"}, login=False),
    Route(
        "GET",
        "/v1/clusters/{id}/catalogue",
        catalogue_routes.catalogue,
        {200: "PublishedCatalogue"},
        login=False,
    ),
    Route(
        "POST",
        "/v1/login/challenge",
        login_routes.challenge,
        {200: "Challenge"},
        body="ChallengeRequest",
        login=False,
    ),
    Route(
        "POST",
        "/v1/login/session",
        login_routes.session,
        {200: "Session"},
        body="SessionRequest",
        login=False,
    ),
    Route(
        "GET",
        "/v1/jobs",
        job_routes.jobs,
        {200: "Jobs"},
        (Parameter("after", "The `number` of the last job of the previous page.", COUNT), _LIMIT),
    ),
    Route("GET", JOB, job_routes.job, {200: "Job"}, link=True),
    Route(
        "GET",
        f"{JOB}/files",
        file_routes.files,
        {200: "Files"},
        (
            Parameter("prefix", "The directory; the job's own without it."),
            Parameter("after", "The `path` of the last entry of the previous page."),
            _LIMIT,
        ),
        link=True,
    ),
    Route(
        "GET",
        FILE,
        file_routes.file,
        {200: BYTES, 206: BYTES, 304: ""},
        _PARTIAL,
        link=True,
    ),
    Route("HEAD", FILE, file_routes.file, {200: "", 206: "", 304: ""}, _PARTIAL, link=True),
    Route(
        "GET",
        f"{JOB}/archive",
        file_routes.archive,
        {200: BYTES},
        (Parameter("format", "tar or tar.zst.", {"type": "string", "enum": ["tar", "tar.zst"]}),),
        link=True,
    ),
    Route("GET", f"{JOB}/disputes", job_routes.disputes, {200: "Disputes"}),
    Route("GET", f"{JOB}/disputes/{{dispute}}/evidence", job_routes.evidence, {200: BYTES}),
    Route("GET", f"{JOB}/manifest", job_routes.manifest, {200: LINES, 304: ""}, (_IF_NONE,), link=True),
    Route(
        "GET",
        f"{JOB}/log",
        log_routes.read,
        {200: LINES},
        (
            Parameter("stream", "output or error.", {"type": "string", "enum": ["output", "error"]}),
            Parameter("offset", "The first byte.", COUNT),
            Parameter(
                "follow",
                "1: until the job has ended.",
                {"type": "string", "enum": ["0", "1", "true"]},
            ),
            Parameter("Accept", "text/event-stream for events, which imply follow.", place="header"),
            Parameter("Last-Event-ID", "The last event that the client has.", place="header"),
        ),
        link=True,
    ),
    Route("POST", f"{JOB}/links", job_routes.link, {201: "Link"}, body="LinkRequest"),
    Route("GET", "/v1/uploads", upload_routes.uploads, {200: "Uploads"}),
    Route("GET", UPLOAD, upload_routes.content, {200: BYTES, 206: BYTES}, (_RANGE, _IF_RANGE)),
    Route("HEAD", UPLOAD, upload_routes.head, {200: ""}),
    Route("PATCH", UPLOAD, upload_routes.patch, {201: "", 204: ""}, (_OFFSET, _LENGTH), body=BYTES),
    Route("PUT", UPLOAD, upload_routes.put, {201: ""}, body=BYTES),
    Route("DELETE", UPLOAD, upload_routes.delete, {204: ""}),
)
