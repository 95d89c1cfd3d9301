"""The HTTP client of a provider's gateway.

Answers are checked in `gateway_facts`. A lost connection, a time-out, HTTP 429 and 5xx raise Transient; other
errors raise GatewayRefused. Redirects are not followed: the token belongs to one gateway only.
"""

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from provider_daemon import __version__
from provider_daemon.client import gateway_facts
from provider_daemon.client.event_stream import Event, EventParser
from provider_daemon.client.gateway_facts import FilePage, Info, Link, RemoteFile, RemoteJob, Upload, Uploads
from provider_daemon.client.login import Login
from provider_daemon.errors import ConfigError, Transient, Unreadable
from provider_daemon.retry import quickly

T = TypeVar("T")

CONNECT_SECONDS = 15.0
IDLE_SECONDS = 60.0  # without a byte; a followed log has a sign of life at least this often
RETRY_SECONDS = 1.0  # the longest wait before the second attempt
MAX_ANSWER = 64 * 2**20  # bytes of a JSON answer
MAX_MANIFEST = 2**30
CODE_HEADER = "Provd-Error"
MAX_PAUSE = 60.0  # the longest wait that a gateway can ask for
CHUNK = 1024 * 1024
_STORAGE = 507  # a quota is used up, or the disk is full: trying again does not help
_TEMPORARY = frozenset({408, 425, 429})


class Gateway:
    """One gateway, for the account of `login`; None for what needs no login. An async context manager.

    `job_id` is the chain's, such as JOB-1; `path` is relative to the job's directory.
    """

    def __init__(self, url: str, login: Login | None = None, retry_seconds: float = RETRY_SECONDS) -> None:
        """Raises ConfigError for an address that is not https://, or http:// on this machine."""
        self.url = checked_url(url)
        self.retry_seconds = retry_seconds
        self._login = login
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Gateway":
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=IDLE_SECONDS)
        self._session = aiohttp.ClientSession(
            timeout=timeout,
            headers={"User-Agent": f"provd/{__version__}"},
            auto_decompress=False,
            read_bufsize=CHUNK,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    # --- facts ---

    async def info(self) -> Info:
        return gateway_facts.read(Info, await self._json("/v1/info", signed=False), "info")

    async def catalogue(self, cluster_id: str) -> Any:
        """Returns the answer as it is: client/catalogue.py checks it."""
        return await self._json(f"/v1/clusters/{quote(cluster_id, safe='')}/catalogue", signed=False)

    async def job(self, job_id: str) -> RemoteJob:
        return gateway_facts.read(RemoteJob, await self._json(_job(job_id)), job_id)

    async def files(self, job_id: str, directory: str = "") -> AsyncIterator[RemoteFile]:
        """Yields the entries of one directory of the job, in the order of their names' bytes."""
        after = ""
        while True:
            query = f"?prefix={_quoted(directory)}&after={_quoted(after)}"
            answer = await self._json(f"{_job(job_id)}/files{query}")
            page = gateway_facts.read(FilePage, answer, f"the files of {job_id}")
            for file in page.files:
                yield file
            if not page.more or not page.files:
                return
            after = page.files[-1].path

    async def manifest(self, job_id: str) -> bytes:
        """Raises GatewayRefused (404) as long as there is none."""

        async def read() -> bytes:
            async with self.request("GET", f"{_job(job_id)}/manifest", f"the manifest of {job_id}") as answer:
                return await _limited(answer, MAX_MANIFEST)

        return await quickly(read, seconds=self.retry_seconds)

    async def link(self, job_id: str, seconds: int) -> Link:
        answer = await self._json(f"{_job(job_id)}/links", method="POST", body={"seconds": seconds})
        return gateway_facts.read(Link, answer, f"a link to {job_id}")

    # --- uploads ---

    async def uploads(self) -> Uploads:
        return gateway_facts.read(Uploads, await self._json("/v1/uploads"), "uploads")

    async def upload_state(self, sha256: str) -> Upload | None:
        """Returns how much of an upload has arrived; None if nothing has."""
        try:
            async with self.request("HEAD", f"/v1/uploads/{sha256}", "an upload") as answer:
                offset, length = (_count(answer.headers, name) for name in ("Upload-Offset", "Upload-Length"))
                return Upload(sha256=sha256, offset=offset, length=length)
        except gateway_facts.GatewayRefused as error:
            if error.status == 404:
                return None
            raise

    async def send(self, sha256: str, offset: int, size: int, content: AsyncIterator[bytes]) -> int:
        """Appends `content` to an upload from `offset` on. Returns how many bytes have arrived then."""
        headers = {
            "Upload-Offset": str(offset),
            "Upload-Length": str(size),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(size - offset),
        }
        path = f"/v1/uploads/{sha256}"
        async with self.request("PATCH", path, "an upload", headers=headers, data=content) as answer:
            return _count(answer.headers, "Upload-Offset")

    async def remove_upload(self, sha256: str) -> None:
        async def remove() -> None:
            async with self.request("DELETE", f"/v1/uploads/{sha256}", f"to remove upload {sha256}"):
                pass

        await quickly(remove, seconds=self.retry_seconds)

    # --- streams ---

    @asynccontextmanager
    async def file(self, job_id: str, path: str, offset: int = 0) -> AsyncIterator[AsyncIterator[bytes]]:
        """Streams a file's bytes from `offset` on."""
        url = f"{_job(job_id)}/files/{_quoted(path, safe='/')}"
        async with self._from(url, path, offset) as chunks:
            yield chunks

    @asynccontextmanager
    async def upload(self, sha256: str, offset: int = 0) -> AsyncIterator[AsyncIterator[bytes]]:
        """Streams the bytes of a whole upload from `offset` on."""
        async with self._from(f"/v1/uploads/{sha256}", f"upload {sha256}", offset) as chunks:
            yield chunks

    @asynccontextmanager
    async def _from(self, url: str, what: str, offset: int) -> AsyncIterator[AsyncIterator[bytes]]:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self.request("GET", url, what, headers=headers) as answer:
            if offset and answer.status != 206:
                raise Unreadable(f"the gateway does not continue {what} at byte {offset}")
            yield _chunks(answer)

    @asynccontextmanager
    async def archive(self, job_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Streams the results as one tar archive."""
        url = f"{_job(job_id)}/archive?format=tar"
        async with self.request("GET", url, f"the archive of {job_id}") as answer:
            yield _chunks(answer)

    @asynccontextmanager
    async def log(self, job_id: str, stream: str, offset: int = 0) -> AsyncIterator[AsyncIterator[bytes]]:
        """Streams what the job has written so far, from byte `offset` on. `stream`: output or error."""
        url = f"{_job(job_id)}/log?stream={stream}&offset={offset}"
        async with self.request("GET", url, f"the log of {job_id}") as answer:
            yield _chunks(answer)

    @asynccontextmanager
    async def events(self, job_id: str, stream: str, offset: int = 0) -> AsyncIterator[AsyncIterator[Event]]:
        """Streams the log as it is written, from byte `offset` on, until the event `end`."""
        url = f"{_job(job_id)}/log?stream={stream}&offset={offset}&follow=true"
        headers = {"Accept": "text/event-stream"}
        async with self.request("GET", url, f"the log of {job_id}", headers=headers) as answer:
            yield _events(answer)

    # --- requests ---

    async def _json(self, path: str, *, method: str = "GET", body: object = None, signed: bool = True) -> Any:
        async def ask() -> Any:
            data = None if body is None else json.dumps(body).encode()
            headers = {} if body is None else {"Content-Type": "application/json"}
            async with self.request(method, path, path, headers=headers, data=data, signed=signed) as answer:
                return _parsed(await _limited(answer, MAX_ANSWER), path)

        return await quickly(ask, seconds=self.retry_seconds)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        signed: bool = True,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request. `what` names it in errors.

        Raises Transient also if the gateway rejects the login and the next request has another one.
        """
        if signed and self._login is not None:
            headers = {**(headers or {}), "Authorization": f"Bearer {await self._login.token(self._ask)}"}
        try:
            async with self._sent(method, path, what, headers or {}, data) as answer:
                yield answer
        except gateway_facts.GatewayRefused as error:
            if error.status == 401 and self._login is not None and self._login.rejected(error.reason):
                raise Transient(f"{error}; logging in again") from error
            raise

    async def _ask(self, path: str, body: object) -> Any:
        """For the login: a request without a token."""
        return await self._json(path, method="POST", body=body, signed=False)

    @asynccontextmanager
    async def _sent(
        self, method: str, path: str, what: str, headers: Mapping[str, str], data: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None, "Gateway is an async context manager"
        url = URL(self.url + path, encoded=True)
        try:
            async with self._session.request(
                method, url, headers=headers, data=data, allow_redirects=False
            ) as answer:
                await _check(answer, what, self.url)
                yield answer
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            why = str(error) or type(error).__name__
            raise Transient(f"the connection to the gateway {self.url} failed: {why}") from error


def checked_url(url: str) -> str:
    """Returns the address without a final slash. Raises ConfigError.

    Plain HTTP is allowed to this machine only: whoever sees a token can use it.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError([f"invalid gateway address: {url!r} must be https:// with a host"])
    if parts.scheme == "http" and not _is_local(parts.hostname):
        raise ConfigError([f"invalid gateway address: {url!r}: http:// would show your login to others"])
    return url.rstrip("/")


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _check(answer: aiohttp.ClientResponse, what: str, url: str) -> None:
    status = answer.status
    if 200 <= status < 300:
        return
    if status in _TEMPORARY or (status >= 500 and status != _STORAGE):
        await asyncio.sleep(_wanted_pause(answer.headers.get("Retry-After", "")))
        raise Transient(f"the gateway {url} cannot answer now (HTTP {status})")
    try:
        value = json.loads(await _limited(answer, MAX_ANSWER))
    except (ValueError, Unreadable):
        value = {"error": {"code": answer.headers.get(CODE_HEADER, "")}}  # an answer to HEAD has no body
    raise gateway_facts.refusal(status, value, what)


def _wanted_pause(text: str) -> float:
    """Returns the seconds of a Retry-After header, within reason."""
    return min(float(text), MAX_PAUSE) if text.isascii() and text.isdigit() else 0.0


async def _limited(answer: aiohttp.ClientResponse, most: int) -> bytes:
    read = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK):
        read += chunk
        if len(read) > most:
            raise Unreadable(f"the gateway's answer is longer than {most} bytes")
    return bytes(read)


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk in answer.content.iter_chunked(CHUNK):
        yield chunk


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    parser = EventParser()
    async for chunk in answer.content.iter_any():
        for event in parser.feed(chunk):
            yield event


def _parsed(text: bytes, path: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Unreadable(f"the gateway's answer to {path} is not JSON") from None


def _count(headers: Mapping[str, str], name: str) -> int:
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Unreadable(f"the gateway's answer has no valid {name}: {text!r}")
    return int(text)


def _job(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"


def _quoted(path: str, safe: str = "") -> str:
    """Percent-encodes a path; the surrogate escapes of os.fsdecode become their bytes again."""
    return quote(path.encode("utf-8", "surrogateescape"), safe=safe)
