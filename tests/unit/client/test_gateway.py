"""The client of the gateway's API, against a gateway with the real authenticator."""

import pytest
from aiohttp import web

from provider_daemon.client.gateway import checked_url
from provider_daemon.client.gateway_facts import GatewayRefused
from provider_daemon.errors import ConfigError, Refused, Transient, Unreadable
from tests.unit.client.far_end import CHAIN_ID, FarEnd, manifest_of, opened, sha256

FILES = {"output.txt": b"hello\n", "a/b": b"1", "a/c": b"22", "a/d": b"333"}


async def test_facts() -> None:
    """What each question returns."""
    far_end = FarEnd(FILES, manifest=manifest_of(FILES))
    async with opened(far_end) as gateway:
        info, job = await gateway.info(), await gateway.job("JOB-1")
        assert (info.chain_id, info.url) == (CHAIN_ID, far_end.url)
        assert job.ended
        assert job.results
        assert job.results.root == sha256(manifest_of(FILES))
        assert await gateway.manifest("JOB-1") == manifest_of(FILES)
        assert (await gateway.link("JOB-1", 60)).expires_at == far_end.now + 60


async def test_a_long_listing_is_paged() -> None:
    """One directory at a time."""
    async with opened(FarEnd(FILES)) as gateway:
        top = [(entry.path, entry.kind) async for entry in gateway.files("JOB-1")]
        inside = [(entry.path, entry.size) async for entry in gateway.files("JOB-1", "a")]
    assert top == [("a", "directory"), ("output.txt", "file")]
    assert inside == [("a/b", 1), ("a/c", 2), ("a/d", 3)]


async def test_uploads_are_listed_and_removed() -> None:
    name = sha256(b"x")
    async with opened(FarEnd(uploads={name: bytearray(b"x")}, lengths={name: 1})) as gateway:
        found = await gateway.uploads()
        assert [(each.sha256, each.offset, each.length) for each in found.uploads] == [(name, 1, 1)]
        assert found.used_bytes == 1
        await gateway.remove_upload(name)
        with pytest.raises(GatewayRefused, match="not_found"):
            await gateway.remove_upload(name)


async def test_one_login_serves_many_requests() -> None:
    """And is renewed before it expires."""
    far_end = FarEnd(FILES)
    async with opened(far_end) as gateway:
        for _ in range(3):
            await gateway.job("JOB-1")
            far_end.now += 3600
    assert len(far_end.requests) == 3


async def test_an_account_without_a_key_on_chain_signs_a_challenge() -> None:
    """It has not sent a transaction yet. The session serves until the gateway is restarted, then another
    challenge is signed."""
    far_end = FarEnd(FILES, known=False)
    async with opened(far_end) as gateway:
        await gateway.job("JOB-1")
        await gateway.job("JOB-1")
        login = ["POST /v1/login/challenge", "POST /v1/login/session"]
        job = "GET /v1/jobs/JOB-1"
        assert far_end.requests == [job, *login, job, job]
        far_end.secret = b"t" * 32
        await gateway.job("JOB-1")
        assert far_end.requests[5:] == [job, *login, job]


async def test_the_challenge_of_another_gateway_is_not_signed() -> None:
    """A gateway that passes one on would log in there in the customer's name."""

    class Passing(FarEnd):
        @property
        def authenticator(self):  # type: ignore[no-untyped-def]
            own, self.url = self.url, "https://other.example.org"
            try:
                return super().authenticator
            finally:
                self.url = own

    far_end = Passing(known=False)
    async with opened(far_end) as gateway:
        far_end.failures = [(401, "no_public_key")]
        with pytest.raises(Refused, match="nothing was signed"):
            await gateway.job("JOB-1")
    assert far_end.requests[-1] == "POST /v1/login/challenge"


async def test_another_customers_job() -> None:
    """The gateway's words, its code and the status."""
    async with opened(FarEnd(FILES)) as gateway:
        with pytest.raises(GatewayRefused) as caught:
            await gateway.job("JOB-2")
    assert (caught.value.status, caught.value.reason) == (403, "not_yours")
    assert str(caught.value) == (
        "the gateway refused /v1/jobs/JOB-2 (HTTP 403, not_yours): This is not a job of your account here."
    )


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_trouble_that_passes(status: int) -> None:
    """Asked again, and reported as Transient when it stays."""
    async with opened(FarEnd(FILES, failures=[(status, "unavailable")] * 2)) as gateway:
        assert (await gateway.job("JOB-1")).ended
    async with opened(FarEnd(FILES, failures=[(status, "unavailable")] * 3)) as gateway:
        with pytest.raises(Transient, match=f"HTTP {status}"):
            await gateway.job("JOB-1")


async def test_redirects_are_not_followed() -> None:
    """The token is for one gateway only."""
    async with opened(FarEnd(failures=[(302, "moved")])) as gateway:
        with pytest.raises(GatewayRefused, match="HTTP 302"):
            await gateway.job("JOB-1")


async def test_a_gateway_that_ignores_the_range() -> None:
    """Its bytes are not appended to what is there."""

    class Whole(FarEnd):
        async def _file(self, request: web.Request) -> web.StreamResponse:
            return web.Response(body=b"whole")

    async with opened(Whole(FILES)) as gateway:
        with pytest.raises(Unreadable, match=r"does not continue output\.txt at byte 2"):
            async with gateway.file("JOB-1", "output.txt", 2):
                pass


@pytest.mark.parametrize(
    "url",
    [
        "http://gateway.example.org",
        "http://10.0.0.1:8443",
        "ftp://gateway.example.org",
        "gateway.example.org",
        "https://",
        "https://gateway.example.org/?x=1",
        "https://user@",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    """Plain HTTP shows the login to everybody on the way."""
    with pytest.raises(ConfigError, match="invalid gateway address"):
        checked_url(url)


@pytest.mark.parametrize(
    "url", ["https://gateway.example.org/", "http://127.0.0.1:8443", "http://[::1]:1", "http://localhost:1"]
)
def test_addresses_that_are_accepted(url: str) -> None:
    assert checked_url(url) == url.rstrip("/")


async def test_answers_of_another_form() -> None:
    """Named with the field."""

    class Odd(FarEnd):
        async def _job(self, request: web.Request) -> web.Response:
            return web.json_response({"id": 5})

    async with opened(Odd()) as gateway:
        with pytest.raises(Unreadable, match=r"answer to JOB-1 cannot be read: id: "):
            await gateway.job("JOB-1")
