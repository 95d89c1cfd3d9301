"""Fetching from a real S3 server (rclone)."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from provider_daemon.errors import ConfigError
from provider_daemon.sources.https import Http
from provider_daemon.sources.inputs import Input, Scheme
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from provider_daemon.sources.s3 import Endpoint, fetch, read_endpoint, request_url
from provider_daemon.sources.weburl import parse_url
from tests.unit.sources.cases import BODY, BODY_SHA256, QUICK, collect, policy
from tests.unit.sources.far_end import answer, redirect, serve

KEYS = ("PROVIDERKEY", "a-secret-of-the-tests")
ODD = "dir/a b+c%d é#?&=~(x).bin"
ODD_URI = "s3://minio/bucket/dir/a%20b+c%25d%20%C3%A9%23%3F&=~(x).bin"


@asynccontextmanager
async def rclone(directory: Path, *options: str) -> AsyncIterator[str]:
    """An S3 server whose buckets are the folders of `directory`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    program = str(Path(sys.executable).parent / "rclone")
    server = await asyncio.create_subprocess_exec(
        *(program, "serve", "s3", "--addr", address, "--config", "/dev/null", *options, str(directory)),
        stderr=asyncio.subprocess.PIPE,
    )
    assert server.stderr is not None
    try:
        async with asyncio.timeout(60):
            while b"Starting s3 server" not in await server.stderr.readline():
                assert server.returncode is None
        yield f"http://{address}"
    finally:
        server.terminate()
        await server.wait()


@pytest.fixture
def buckets(tmp_path: Path) -> Path:
    (tmp_path / "bucket/dir").mkdir(parents=True)
    (tmp_path / "bucket/data.bin").write_bytes(BODY)
    (tmp_path / "bucket" / ODD).write_bytes(BODY)
    return tmp_path


def s3(uri: str, size: int | None = len(BODY)) -> Input:
    return Input("data.bin", uri, Scheme.S3, BODY_SHA256, size, 10**7)


def http() -> Http:
    return Http(policy(), limits=QUICK)


async def test_signed(buckets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are signed with the endpoint's own key; AWS_* variables have no effect. Parts resume."""
    for name in ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("AWS_SKIP_SIGNATURE", "AWS_S3_EXPRESS", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"):
        monkeypatch.setenv(name, "true")
    async with rclone(buckets, "--auth-key", ",".join(KEYS)) as url:
        endpoints = {"minio": Endpoint(parse_url(url), "us-east-1", *KEYS)}
        for uri in ("s3://minio/bucket/data.bin", ODD_URI):
            assert await collect(fetch(http(), endpoints, s3(uri))) == BODY
        rest = await collect(fetch(http(), endpoints, s3("s3://minio/bucket/data.bin"), 70_000))
        assert rest == BODY[70_000:]
        await refused(endpoints, "s3://minio/bucket/none", InputRefusal.NOT_FOUND)
        await refused(endpoints, "s3://minio/nobucket/data.bin", InputRefusal.NOT_FOUND)
        wrong = {"minio": Endpoint(parse_url(url), "us-east-1", KEYS[0], "another-secret")}
        await refused(wrong, "s3://minio/bucket/data.bin", InputRefusal.DENIED)
        without = {"minio": Endpoint(parse_url(url))}
        await refused(without, "s3://minio/bucket/data.bin", InputRefusal.RESPONSE)


async def refused(endpoints: dict[str, Endpoint], uri: str, reason: InputRefusal) -> None:
    with pytest.raises(InputRefused) as caught:
        await collect(fetch(http(), endpoints, s3(uri)))
    assert caught.value.reason is reason


async def test_anonymous(buckets: Path) -> None:
    """An endpoint without key is read without signature."""
    async with rclone(buckets) as url:
        endpoints = {"minio": Endpoint(parse_url(url))}
        for uri in ("s3://minio/bucket/data.bin", ODD_URI):
            assert await collect(fetch(http(), endpoints, s3(uri))) == BODY
        with pytest.raises(InputRefused) as caught:
            await collect(fetch(http(), endpoints, s3("s3://minio/bucket/data.bin", size=5)))
    assert caught.value.reason is InputRefusal.WRONG_SIZE


async def test_redirect_is_not_followed() -> None:
    """A signed request is never repeated to another place."""
    async with (
        serve({"*": answer(BODY)}, None) as other,
        serve({"*": redirect(other.url("/bucket/k", "127.0.0.1"))}, None) as far,
    ):
        await refused(
            {"minio": Endpoint(parse_url(far.url("")))}, "s3://minio/bucket/k", InputRefusal.REDIRECT
        )
    assert other.connections == 0


def test_endpoint_of_the_environment() -> None:
    """Key and region come from variables of the endpoint's name; the secret is not shown."""
    environment = {
        "PROVD_S3_MY_STORE_ACCESS_KEY_ID": "id",
        "PROVD_S3_MY_STORE_SECRET_ACCESS_KEY": "hidden",
        "PROVD_S3_MY_STORE_REGION": "eu-central-1",
    }
    found = read_endpoint("my-store", "https://s3.example.org", environment)
    assert (found.region, found.access_key_id, found.secret_access_key) == ("eu-central-1", "id", "hidden")
    assert "hidden" not in repr(found)
    assert read_endpoint("other", "https://s3.example.org", environment).access_key_id == ""


def test_half_a_key() -> None:
    """A key without its secret would silently be anonymous."""
    with pytest.raises(ConfigError, match="set both or neither"):
        read_endpoint("a", "https://s3.example.org", {"PROVD_S3_A_ACCESS_KEY_ID": "id"})
    with pytest.raises(ConfigError, match=r"data\.s3_endpoints\.a"):
        read_endpoint("a", "https://2130706433", {})


def test_request_url() -> None:
    """A path of the endpoint is kept; the URL of a PUT is another one than that of a GET."""
    endpoint = Endpoint(parse_url("https://s3.example.org/storage"), "us-east-1", *KEYS)
    get, put = request_url(endpoint, "bucket", "k", "GET"), request_url(endpoint, "bucket", "k", "PUT")
    assert get.path == put.path == "/storage/bucket/k"
    assert get.query != put.query
    assert KEYS[1] not in f"{get}{put}"
