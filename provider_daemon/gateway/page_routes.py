"""The customers' page: the files of the package's directory page/, under a policy without exceptions."""

import hashlib
from dataclasses import dataclass
from importlib import resources

from aiohttp import web

from provider_daemon.gateway.errors import ApiError, Code
from provider_daemon.gateway.ranges import is_same

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
TYPES = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    content: bytes
    kind: str
    tag: str


def load() -> dict[str, PageFile]:
    """Returns the files by name. Files of other types are not served."""
    found = {}
    for file in resources.files(__package__).joinpath("page").iterdir():
        kind = TYPES.get(file.name.rpartition(".")[2])
        if kind and file.is_file():
            content = file.read_bytes()
            found[file.name] = PageFile(content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return found


PAGE = web.AppKey("page", dict[str, PageFile])


async def index(request: web.Request) -> web.Response:
    """The customers' page."""
    return _file(request, "index.html")


async def part(request: web.Request) -> web.Response:
    """A script, style or picture of the page."""
    return _file(request, request.match_info["name"])


def _file(request: web.Request, name: str) -> web.Response:
    found = request.app[PAGE].get(name)
    if found is None:
        raise ApiError(Code.NOT_FOUND, "The page has no such file.")
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "ETag": found.tag}
    if is_same(request.headers.get("If-None-Match", ""), found.tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=found.content, content_type=found.kind, charset="utf-8", headers=headers)
