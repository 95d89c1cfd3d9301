"""Results are sent to real servers on loopback."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from provider_daemon.errors import Transient
from provider_daemon.mover.targets import Target, TargetRefused, parse_target
from provider_daemon.mover.upload import HttpUploader
from provider_daemon.sources.https import Http, Limits
from provider_daemon.sources.s3 import Endpoint
from provider_daemon.sources.weburl import parse_url
from tests.unit.sources.cases import policy
from tests.unit.sources.far_end import Authority, authority
from tests.unit.sources.test_s3 import KEYS, rclone

BODY = bytes(range(256)) * 4096
QUICK = Limits(connect=5, answer=5, idle=5, slow=0.5, slow_bytes=1, total=60)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"), "localhost", "127.0.0.1")


@dataclass
class Bucket:
    """Takes PUTs and answers with `status`."""

    status: int = 200
    port: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def put(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append((request.path_qs, dict(request.headers), body))
        headers = {"Location": "https://elsewhere.example.org/"} if self.status == 307 else {}
        return web.Response(status=self.status, headers=headers)


@asynccontextmanager
async def serving(
    tls: Authority, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> AsyncIterator[int]:
    app = web.Application(client_max_size=10**9)
    app.router.add_put("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls.server())
    await site.start()
    assert site._server is not None
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def chunks(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def uploader(tls: Authority, *allowed: str, **endpoints: Endpoint) -> HttpUploader:
    return HttpUploader(Http(policy(*allowed), ca_file=str(tls.ca), limits=QUICK), endpoints)


async def test_put(tls: Authority) -> None:
    """One object with its length; the query as the customer signed it, and no header that he did not sign."""
    bucket = Bucket()
    async with serving(tls, bucket.put) as port:
        target = parse_target(f"https://localhost:{port}/results.tar?signature=a%2Fb")
        await uploader(tls, f"localhost:{port}").put(target, chunks(BODY), len(BODY))
    ((path, headers, body),) = bucket.requests
    assert (path, body) == ("/results.tar?signature=a%2Fb", BODY)
    assert headers["Content-Length"] == str(len(BODY))
    assert "Transfer-Encoding" not in headers
    assert "Content-Type" not in headers


@pytest.mark.parametrize("status", [400, 401, 403, 404, 411, 413, 307])
async def test_a_refusal_is_final(tls: Authority, status: int) -> None:
    """The customer reads the status, no text has the query, which is a secret. No redirect is followed."""
    bucket = Bucket(status)
    async with serving(tls, bucket.put) as port:
        target = parse_target(f"https://localhost:{port}/results.tar?signature=secret")
        with pytest.raises(TargetRefused, match=f"HTTP {status}") as refused:
            await uploader(tls, f"localhost:{port}").put(target, chunks(b"x"), 1)
    assert "secret" not in f"{refused.value!r} {target!r}"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_busy_target_is_tried_again(tls: Authority, status: int) -> None:
    """It may take the results later."""
    bucket = Bucket(status)
    async with serving(tls, bucket.put) as port:
        target = parse_target(f"https://localhost:{port}/results.tar")
        with pytest.raises(Transient, match=f"HTTP {status}"):
            await uploader(tls, f"localhost:{port}").put(target, chunks(b"x"), 1)


async def test_a_target_that_stops_reading(tls: Authority) -> None:
    """It does not hold a transfer for ever."""
    release = asyncio.Event()

    async def stalled(request: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    async with serving(tls, stalled) as port:
        target = parse_target(f"https://localhost:{port}/results.tar")
        with pytest.raises(Transient, match="did not answer in time"):
            await uploader(tls, f"localhost:{port}").put(target, chunks(BODY * 40), len(BODY) * 40)
        release.set()


async def test_a_target_that_is_down(tls: Authority) -> None:
    """No connection is a temporary failure."""
    with pytest.raises(Transient, match="no connection"):
        await uploader(tls, "localhost:1").put(
            parse_target("https://localhost:1/x?signature=secret"), chunks(b"x"), 1
        )


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]"])
async def test_forbidden_addresses_get_nothing(tls: Authority, host: str) -> None:
    """Results are sent through the same check of addresses as inputs are fetched."""
    target = parse_target(f"https://{host}/x")
    with pytest.raises(TargetRefused):
        await uploader(tls).put(target, chunks(b"x"), 1)


async def test_a_source_that_fails_sends_no_whole_object(tls: Authority) -> None:
    """An archive that breaks off is not completed."""
    bucket = Bucket()

    async def cut() -> AsyncIterator[bytes]:
        yield b"12"
        raise Transient("the connection to the site was lost")

    async with serving(tls, bucket.put) as port:
        target = parse_target(f"https://localhost:{port}/results.tar")
        with pytest.raises(Transient):
            await uploader(tls, f"localhost:{port}").put(target, cut(), 4)
    assert bucket.requests == []


async def test_s3(tls: Authority, tmp_path: Path) -> None:
    """A signed PUT to a configured endpoint."""
    (tmp_path / "bucket").mkdir()
    async with rclone(tmp_path, "--auth-key", ",".join(KEYS)) as url:
        endpoint = Endpoint(parse_url(url), access_key_id=KEYS[0], secret_access_key=KEYS[1])
        target = parse_target("s3://minio/bucket/dir/results.tar")
        await uploader(tls, minio=endpoint).put(target, chunks(BODY), len(BODY))
        stored = (tmp_path / "bucket/dir/results.tar").read_bytes()
        assert hashlib.sha256(stored).digest() == hashlib.sha256(BODY).digest()
        wrong = Endpoint(parse_url(url), access_key_id=KEYS[0], secret_access_key="wrong")
        with pytest.raises(TargetRefused, match="HTTP 403"):
            await uploader(tls, minio=wrong).put(target, chunks(b"x"), 1)


async def test_an_unknown_endpoint(tls: Authority) -> None:
    """The refusal lists those that the site has."""
    endpoint = Endpoint(parse_url("https://s3.example.org"))
    with pytest.raises(TargetRefused, match="unknown S3 endpoint; this site has: minio"):
        await uploader(tls, minio=endpoint).put(parse_target("s3://other/bucket/x"), chunks(b"x"), 1)


def test_the_query_is_not_shown() -> None:
    """A presigned URL is a secret."""
    target = parse_target("https://example.org/x?signature=secret")
    assert isinstance(target, Target)
    assert "secret" not in repr(target)
    assert target.shown == "https://example.org/x"
