"""Fetches https:// (and, from allowed hosts, http://) inputs as a stream."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from provider_daemon.errors import Transient
from provider_daemon.sources.addresses import Address
from provider_daemon.sources.answers import REDIRECTS, read_answer
from provider_daemon.sources.checks import Check
from provider_daemon.sources.inputs import Input, InputPolicy
from provider_daemon.sources.pace import Pace
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.sources.resolver import CheckedResolver, Lookup, is_own, system_lookup
from provider_daemon.sources.weburl import BadUrl, WebUrl, join, parse_url

MAX_REDIRECTS = 5
CHUNK = 256 * 1024
Authorities = frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Time-outs in seconds. `answer`: from the request to the end of the headers of one answer.

    `idle`: without a byte. A body must bring `slow_bytes` in each `slow` seconds of waiting for it: time in
    which nobody reads does not count. `total`: of one fetch; the next one resumes.
    """

    connect: float = 20.0
    answer: float = 60.0
    idle: float = 60.0
    slow: float = 120.0
    slow_bytes: int = 64 * 1024
    total: float = 6 * 3600.0


class Http:
    """Opens URLs that customers chose, or that lead to what they chose. One session for each `open`.

    `ca_file`: certificates that are trusted beside those of the system.
    """

    def __init__(
        self,
        policy: InputPolicy,
        *,
        ca_file: str = "",
        limits: Limits | None = None,
        lookup: Lookup = system_lookup,
        own: Callable[[Address], bool] = is_own,
    ) -> None:
        self._policy = policy
        self._ssl = ssl.create_default_context()
        if ca_file:
            self._ssl.load_verify_locations(ca_file)
        self.limits = limits or Limits()
        self._lookup = lookup
        self._own = own

    @asynccontextmanager
    async def session(self, trusted: Authorities = frozenset()) -> AsyncIterator["Session"]:
        """`trusted`: hosts and ports that the site configured, beside data.allowed_hosts."""
        everybody = trusted | self._policy.allowed.authorities
        resolver = CheckedResolver(self._policy.forbidden, everybody, lookup=self._lookup, own=self._own)
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, ssl=self._ssl, limit=8)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self.limits.connect, sock_read=self.limits.idle
        )
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"User-Agent": "provd", "Accept-Encoding": "identity"},
            read_bufsize=CHUNK,
        ) as session:
            yield Session(session, resolver, everybody, self.limits)


class Session:
    """Connections of one fetch."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        resolver: CheckedResolver,
        trusted: Authorities,
        limits: Limits,
    ) -> None:
        self._session = session
        self._resolver = resolver
        self._trusted = trusted
        self._limits = limits

    @asynccontextmanager
    async def get(
        self, url: WebUrl, headers: Mapping[str, str], *, redirects: int = MAX_REDIRECTS
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Follows redirects, each one checked like the first URL; the answer has any other status.

        A redirect to another host gets no Authorization.

        Raises InputRefused and Transient.
        """
        first = url
        for _ in range(redirects + 1):
            self._check(url)
            own = url.origin == first.origin
            sent = headers if own else {k: v for k, v in headers.items() if k != "Authorization"}
            response = await self._request(url, sent, first)
            if response.status not in REDIRECTS:
                break
            response.close()
            url = _redirected(url, response.headers.get("Location", ""), first)
        else:
            raise InputRefused(InputRefusal.REDIRECT, f"{first.shown}: more than {redirects} redirects")
        async with response:
            yield response

    async def put(self, url: WebUrl, chunks: AsyncIterator[bytes], size: int) -> int:
        """Sends `size` bytes as one object and returns the status; a redirect is not followed.

        Raises InputRefused for an address that is not accepted, and Transient. No Content-Type is sent: a
        presigned URL may be signed for none.
        """
        self._check(url)
        clock = asyncio.get_running_loop().time
        try:
            # aiohttp has no time-out for a server that stops reading.
            async with asyncio.timeout(self._limits.slow) as limit:
                async with self._session.put(
                    URL(str(url), encoded=True),
                    data=_watched(chunks, lambda: limit.reschedule(clock() + self._limits.slow)),
                    headers={"Content-Length": str(size)},
                    skip_auto_headers=["Content-Type"],
                    allow_redirects=False,
                ) as response:
                    return response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Transient(f"{url.shown}: {_reason(error)}") from None

    def _check(self, url: WebUrl) -> None:
        if url.scheme == "http" and url.authority not in self._trusted:
            raise InputRefused(InputRefusal.SCHEME, f"{url.shown}: http is not accepted; use https")
        self._resolver.check_literal(url)

    async def _request(
        self, url: WebUrl, headers: Mapping[str, str], first: WebUrl
    ) -> aiohttp.ClientResponse:
        # aiohttp's own time-outs bound neither name resolution nor headers that come byte by byte.
        try:
            async with asyncio.timeout(self._limits.answer):
                return await self._session.get(
                    URL(str(url), encoded=True), headers=dict(headers), allow_redirects=False
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Transient(f"{first.shown}: {_reason(error)}") from None

    async def body(self, response: aiohttp.ClientResponse, shown: str) -> AsyncIterator[bytes]:
        """Yields the body in chunks of at most CHUNK bytes, each read only when the caller asks for it.

        Raises Transient for a body that is cut, or too slow.
        """
        pace = Pace(self._limits.slow, self._limits.slow_bytes)
        clock = asyncio.get_running_loop().time
        while True:
            asked = clock()
            try:
                # aiohttp's time-out counts any byte, also those of endless trailers.
                async with asyncio.timeout(self._limits.idle):
                    chunk = await response.content.readany()
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise Transient(f"{shown}: {_reason(error)}") from None
            if not chunk:
                return
            if not pace.keeps(clock() - asked, len(chunk)):
                raise Transient(f"{shown}: the server sends too slowly")
            for at in range(0, len(chunk), CHUNK):
                yield chunk[at : at + CHUNK]


@asynccontextmanager
async def fetch(
    http: Http,
    source: Input,
    offset: int = 0,
    *,
    hashing: bool = True,
    url: WebUrl | None = None,
    trusted: Authorities = frozenset(),
    redirects: int = MAX_REDIRECTS,
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Yields the bytes of an input from `offset` on. `url`: where to fetch it, by default its URI.

    Raises InputRefused, also at the end of the stream if the content is not the declared one, and Transient.
    """
    if offset and not source.resumable:
        raise ValueError(f"{source.name}: has no checksum, so it can only be fetched as a whole")
    check = Check(source, offset, hashing=hashing)
    target = url or parse_url(source.uri)
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    if offset and offset == source.size:
        yield _nothing(check)
        return
    async with (
        http.session(trusted) as session,
        session.get(target, headers, redirects=redirects) as response,
    ):
        body = read_answer(response.status, response.headers, offset, target.shown)
        check.announced(body.total)
        parts = session.body(response, target.shown)
        kept = _timed(_skipped(parts, offset - body.start), http.limits.total, target.shown)
        yield _checked(kept, check, framed=_framed(response))


async def _watched(chunks: AsyncIterator[bytes], progress: Callable[[], None]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        progress()
        yield chunk
        progress()


async def _nothing(check: Check) -> AsyncIterator[bytes]:
    check.finish()
    return
    yield b""


async def _skipped(chunks: AsyncIterator[bytes], skip: int) -> AsyncIterator[bytes]:
    """Drops the first `skip` bytes, which the caller has: the server ignored the Range."""
    async for chunk in chunks:
        if skip < len(chunk):
            yield chunk[skip:]
        skip = max(0, skip - len(chunk))


async def _timed(chunks: AsyncIterator[bytes], seconds: float, shown: str) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    async for chunk in chunks:
        if clock() > deadline:
            raise Transient(f"{shown}: not fetched within {seconds:.0f} s; the next attempt resumes")
        yield chunk


async def _checked(chunks: AsyncIterator[bytes], check: Check, *, framed: bool) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        check.update(chunk)
        yield chunk
    try:
        check.finish()
    except InputRefused as error:
        if framed:
            raise
        # Such an answer ends with its connection, so that a cut one looks like a shorter one.
        raise Transient(f"{error}; the connection may have been cut") from None


def _framed(response: aiohttp.ClientResponse) -> bool:
    """Returns whether the end of the body is marked, so that a cut is noticed."""
    return "Content-Length" in response.headers or "Transfer-Encoding" in response.headers


def _redirected(url: WebUrl, location: str, first: WebUrl) -> WebUrl:
    try:
        return join(url, location)
    except BadUrl as error:
        raise InputRefused(
            InputRefusal.REDIRECT, f"{first.shown}: redirects to a URL that is not accepted: {error}"
        ) from None


def _reason(error: Exception) -> str:
    """Returns why a connection failed. A message of aiohttp can hold the whole URL, so it is not repeated."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the server's certificate is not trusted: {error.certificate_error}"
    if isinstance(error, TimeoutError):
        return "the server did not answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {error.os_error.strerror or type(error.os_error).__name__}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection ended within the content"
    return f"the connection failed ({type(error).__name__})"
