"""What a hostile customer or a stranger tries, a row each, and what comes of it: nothing."""

import asyncio
import hashlib
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provider_daemon.gateway import limits, upload_routes
from provider_daemon.site_files.values import Identity
from provider_daemon.tokens.identity import Audience
from provider_daemon.tokens.jwt import mint, signed_token
from tests.fakes.chain import ALICE, BOB, CHAIN_ID, PROVIDER, person
from tests.unit.gateway.conftest import AUDIENCE, QUOTA, URL, Running, serving

SECRET = b"another customer's secret"
JOB = "/v1/jobs/JOB-7"


@pytest.fixture
async def victim(running: Running) -> Running:
    """JOB-7 is Alice's and JOB-8 is Bob's; files of both, and one outside every job's directory."""
    for number, who in ((7, ALICE), (8, BOB)):
        job = running.job(number, who)
        running.write(job, "output.txt", SECRET if who is BOB else b"mine")
        running.write(job, "sub/file.txt", b"mine")
    (running.work_root / "outside.txt").write_bytes(SECRET)
    return running


# --- another customer's job ---

READS = ["", "/files", "/files/output.txt", "/archive", "/manifest", "/log", "/log?follow=1"]


@pytest.mark.parametrize("read", READS, ids=[read or "the job" for read in READS])
@pytest.mark.parametrize("job_id", ["JOB-8", "JOB-999", "JOB-08", "job-8", "JOB-8%00", "..%2FJOB-8"])
async def test_cross_customer(victim: Running, read: str, job_id: str) -> None:
    """Another customer's job and a job that does not exist get the same answer, byte by byte."""
    known = await victim.ask("GET", f"/v1/jobs/JOB-8{read}")
    found = await victim.ask("GET", f"/v1/jobs/{job_id}{read}")
    assert found[:2] == known[:2]
    assert (found[0], found[1]["error"]["code"]) == (403, "not_yours")


async def test_cross_customer_link(victim: Running) -> None:
    """Nobody makes a link to a job that is not his."""
    refused = await victim.refusal("POST", "/v1/jobs/JOB-8/links", json={"seconds": 60})
    assert refused == (403, "not_yours")


async def test_a_job_whose_number_was_taken_over(victim: Running) -> None:
    """After a chain was reset a number may belong to another customer: the ledger's record decides."""
    job = victim.ledger.job("JOB-7")
    assert job
    victim.save(replace(job, spec=replace(job.spec, customer=BOB.address)))
    assert await victim.refusal("GET", JOB) == (403, "not_yours")


# --- paths ---

TRAVERSALS = {
    "plain": "../ve-8.0000abcd/output.txt",
    "absolute": "/etc/passwd",
    "absolute, encoded": "%2Fetc%2Fpasswd",
    "encoded dots": "%2e%2e/ve-8.0000abcd/output.txt",
    "encoded slash": "..%2fve-8.0000abcd%2foutput.txt",
    "encoded twice": "%252e%252e%252fve-8.0000abcd%252foutput.txt",
    "in the middle": "sub/../../ve-8.0000abcd/output.txt",
    "back inside": "sub/../output.txt",
    "dot": "./output.txt",
    "empty name": "sub//file.txt",
    "trailing slash": "output.txt/",
    "only dots": "..",
    "overlong UTF-8": "%c0%ae%c0%ae/ve-8.0000abcd/output.txt",
    "full-width dots": "%EF%BC%8E%EF%BC%8E/ve-8.0000abcd/output.txt",
    "backslash": "..\\ve-8.0000abcd\\output.txt",
    "encoded backslash": "..%5Cve-8.0000abcd%5Coutput.txt",
    "NUL": "output.txt%00.png",
    "NUL alone": "%00",
    "semicolon": "..;/ve-8.0000abcd/output.txt",
    "long name": "a" * 300,
    "long path": "a/" * 3000 + "a",
    "proc": "sub/../../../../../../proc/self/environ",
}


@pytest.mark.parametrize("name", TRAVERSALS)
async def test_path_traversal(victim: Running, name: str) -> None:
    """Nothing outside the job's directory is read in any spelling, in files and in listings."""
    status, body, _ = await victim.ask("GET", f"{JOB}/files/{TRAVERSALS[name]}")
    assert status in (400, 403, 404), body
    assert SECRET not in str(body).encode()
    status, body, _ = await victim.ask("GET", f"{JOB}/files?prefix={TRAVERSALS[name]}")
    assert status in (400, 403, 404) or "ve-8" not in str(body)


def symbolic(job: Path, outside: Path) -> None:
    os.symlink(outside, job / "trap")


def hard(job: Path, outside: Path) -> None:
    os.link(outside, job / "trap")


def fifo(job: Path, _: Path) -> None:
    os.mkfifo(job / "trap")


def device(job: Path, _: Path) -> None:
    os.symlink("/dev/zero", job / "trap")


def linked_directory(job: Path, outside: Path) -> None:
    os.symlink(outside.parent, job / "trap-dir")
    os.symlink("trap-dir/outside.txt", job / "trap")


@pytest.mark.parametrize("trap", [symbolic, hard, fifo, device, linked_directory])
async def test_traps_in_the_directory(victim: Running, trap: Any) -> None:
    """Links, fifos and devices that a job leaves behind are neither followed nor opened, nor do they hang."""
    job = victim.ledger.job("JOB-7")
    assert job
    trap(Path(job.directory), victim.work_root / "outside.txt")
    async with asyncio.timeout(20):
        assert await victim.refusal("GET", f"{JOB}/files/trap") == (403, "not_readable")
        assert (await victim.refusal("GET", f"{JOB}/files/trap-dir/outside.txt"))[0] in (403, 404)
        status, archive, _ = await victim.ask("GET", f"{JOB}/archive")
    assert status == 200
    assert SECRET not in archive


async def test_a_log_that_is_a_link(victim: Running) -> None:
    """output.txt is the job's to replace: what it points to stays unread."""
    job = victim.ledger.job("JOB-7")
    assert job
    log = Path(job.directory) / "output.txt"
    log.unlink()
    log.symlink_to(victim.work_root / "outside.txt")
    assert await victim.refusal("GET", f"{JOB}/log") == (403, "not_readable")
    victim.end(job)
    events = {"Accept": "text/event-stream"}
    assert SECRET not in (await victim.ask("GET", f"{JOB}/log?follow=1", headers=events))[1]


# --- tokens ---


def claims(now: float, **changes: Any) -> dict[str, object]:
    times = {"iat": int(now), "nbf": int(now), "exp": int(now) + 600}
    access = {"access": "granular", "permissions": [{"provider": PROVIDER.address, "access": "full"}]}
    return {"iss": ALICE.address, **times, "version": "v1", "leases": access, **changes}


def unsigned(now: float) -> str:
    head = urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    return f"{head}.{signed_token(claims(now), ALICE).split('.')[1]}."


def elsewhere(now: float, url: str, chain_id: str = CHAIN_ID, provider: str = PROVIDER.address) -> str:
    return mint(ALICE, Audience(url, chain_id, frozenset({provider})), now)


FORGED = {
    "no algorithm": (unsigned, "token_algorithm"),
    "signed by another": (lambda now: signed_token(claims(now), BOB), "token_signature"),
    "expired": (lambda now: mint(ALICE, AUDIENCE, now - 7200), "token_expired"),
    "not yet valid": (lambda now: mint(ALICE, AUDIENCE, now + 600), "token_not_yet_valid"),
    "other gateway": (lambda now: elsewhere(now, "https://other.example.org"), "token_wrong_audience"),
    "other chain": (lambda now: elsewhere(now, URL, "other-1"), "token_wrong_audience"),
    "other provider": (
        lambda now: signed_token(
            claims(
                now,
                leases={
                    "access": "granular",
                    "permissions": [{"provider": person("other").address, "access": "full"}],
                },
            ),
            ALICE,
        ),
        "token_wrong_provider",
    ),
    "full without a one-time id": (
        lambda now: signed_token(claims(now, leases={"access": "full"}), ALICE),
        "token_not_one_time",
    ),
    "full for an hour": (
        lambda now: signed_token(claims(now, leases={"access": "full"}, jti="x", exp=int(now) + 3600), ALICE),
        "token_too_long_lived",
    ),
    "from before the start": (
        lambda now: signed_token(
            claims(now, leases={"access": "full"}, jti="x", iat=int(now) - 290, exp=int(now) + 300), ALICE
        ),
        "token_before_start",
    ),
    "forged session": (lambda _: "provd1.e30.AAAA", "token_signature"),
    "not a token": (lambda _: "a.b", "token_malformed"),
}


@pytest.mark.parametrize("name", FORGED)
async def test_forged_tokens(victim: Running, name: str) -> None:
    """Each is refused with its reason, before anything of the job is looked at."""
    make, code = FORGED[name]
    header = {"Authorization": f"Bearer {make(victim.clock.now())}"}
    assert await victim.refusal("GET", JOB, None, headers=header) == (401, code)


async def test_replay(victim: Running) -> None:
    """A captured one-time token is worthless after its first use."""
    token = signed_token(claims(victim.clock.now(), leases={"access": "full"}, jti="once"), ALICE)
    header = {"Authorization": f"Bearer {token}"}
    assert (await victim.ask("GET", JOB, None, headers=header))[0] == 200
    assert await victim.refusal("GET", JOB, None, headers=header) == (401, "token_replayed")


async def test_tokens_in_the_wrong_place(victim: Running) -> None:
    """A JWT or a session in an address would be in logs and histories; two tokens are ambiguous."""
    token = victim.token()
    _, session, _ = await victim.ask("POST", "/v1/login/session", None, json={"token": token})
    for query in (token, session["token"], ""):
        refused = await victim.refusal("GET", f"{JOB}?token={query}", None)
        assert refused == (401, "login_required")
    for headers in (
        {"Authorization": f"Basic {token}"},
        {"Authorization": token},
        {"Cookie": f"token={token}"},
        {"X-VE-Address": ALICE.address},
        {},
    ):
        assert await victim.refusal("GET", JOB, None, headers=headers) == (401, "login_required")
    both = await victim.refusal("GET", f"{JOB}?token={session['token']}")
    assert both == (401, "login_required")


async def test_a_session_in_the_address_of_events_only(victim: Running) -> None:
    """EventSource cannot send headers; whoever can must."""
    _, session, _ = await victim.ask("POST", "/v1/login/session", None, json={"token": victim.token()})
    victim.end(victim.job(7))
    events = {"Accept": "text/event-stream"}
    path = f"{JOB}/log?token={session['token']}"
    assert (await victim.ask("GET", path, None, headers=events))[0] == 200
    assert await victim.refusal("GET", path, None) == (401, "login_required")


async def test_no_token_reaches_the_log(victim: Running, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither of a header, nor of an address, nor a signature; refused or not."""
    token = victim.token()
    _, session, _ = await victim.ask("POST", "/v1/login/session", None, json={"token": token})
    _, link, _ = await victim.ask("POST", f"{JOB}/links", json={"seconds": 60})
    await victim.ask("GET", f"{JOB}/log?token={link['token']}", None)
    await victim.ask("GET", f"{JOB}?token={token}", None)
    await victim.ask("GET", JOB, None, headers={"Authorization": f"Bearer {token[:-4]}AAAA"})
    printed = "".join(capfd.readouterr())
    assert "route=/v1/jobs/{id}/log" in printed
    for secret in (token, session["token"], link["token"]):
        assert secret[-40:-4] not in printed


# --- uploads ---

CONTENT = os.urandom(100_000)
HASH = hashlib.sha256(CONTENT).hexdigest()
UPLOAD = f"/v1/uploads/{HASH}"


def part(offset: object, length: object = len(CONTENT)) -> dict[str, str]:
    return {"Upload-Offset": str(offset), "Upload-Length": str(length)}


LIES = {
    "beyond the end": (part(5, len(CONTENT) + 5), 409, "offset_mismatch"),
    "negative": (part(-1), 400, "bad_request"),
    "not a number": (part("0x0"), 400, "bad_request"),
    "huge": (part(10**30), 400, "bad_request"),
    "more than declared": (part(0, 10), 413, "too_large"),
    "negative length": (part(0, -5), 400, "bad_request"),
    "compressed": ({**part(0), "Content-Encoding": "gzip"}, 415, "content_encoding"),
    "beyond the quota": (part(0, QUOTA + 1), 507, "quota_exceeded"),
    "a million terabytes": (part(0, 10**15 - 1), 507, "quota_exceeded"),
}


@pytest.mark.parametrize("name", LIES)
async def test_lies_about_an_upload(running: Running, name: str) -> None:
    """Refused before a byte is stored."""
    headers, *expected = LIES[name]
    assert [*await running.refusal("PATCH", UPLOAD, headers=headers, data=CONTENT)] == expected
    assert running.gateway.uploads.used == 0


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65536


async def test_an_endless_body(running: Running) -> None:
    """Chunked, so that no length warns: it ends at the declared one."""
    status, code = await running.refusal("PATCH", UPLOAD, headers=part(0), data=endless())
    assert (status, code) == (413, "too_large")
    assert running.gateway.uploads.used == len(CONTENT)


async def test_wrong_hash(running: Running) -> None:
    """The content is deleted, and nothing is there under the promised name."""
    wrong = bytes(len(CONTENT))
    assert await running.refusal("PUT", UPLOAD, data=wrong) == (422, "wrong_hash")
    assert (await running.ask("HEAD", UPLOAD))[0] == 404
    assert running.gateway.uploads.used == 0


async def test_wrong_hash_of_the_last_part(running: Running) -> None:
    """A good beginning does not excuse the end."""
    assert (await running.ask("PATCH", UPLOAD, headers=part(0), data=CONTENT[:50_000]))[0] == 204
    end = await running.refusal("PATCH", UPLOAD, headers=part(50_000), data=bytes(50_000))
    assert end == (422, "wrong_hash")


async def test_another_length_later(running: Running) -> None:
    """What was reserved first holds."""
    await running.ask("PATCH", UPLOAD, headers=part(0), data=CONTENT[:10])
    refused = await running.refusal("PATCH", UPLOAD, headers=part(10, 20), data=b"x" * 10)
    assert refused == (409, "length_mismatch")


async def test_many_parts_beyond_the_quota(running: Running) -> None:
    """Started and never finished, they count as if they were whole."""
    for number in range(3):
        name = hashlib.sha256(b"%d" % number).hexdigest()
        started = await running.ask("PATCH", f"/v1/uploads/{name}", headers=part(0, QUOTA // 3), data=b"x")
        assert started[0] == 204
    assert await running.refusal("PUT", UPLOAD, data=CONTENT) == (507, "quota_exceeded")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..%2f..%2fx", "A" * 64, "a" * 63, "%00" * 64, ".part", "a" * 64 + "%0a"]
)
async def test_names_of_uploads(running: Running, name: str) -> None:
    """A hash and nothing else."""
    assert (await running.refusal("PUT", f"/v1/uploads/{name}", data=b"x"))[0] in (400, 404)
    assert list(running.gateway.uploads._directory.iterdir()) == []


async def test_two_writers(running: Running) -> None:
    """The second one is refused while the first one still writes."""
    going, release = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield CONTENT[:10]
        going.set()
        await release.wait()
        yield CONTENT[10:]

    first = asyncio.create_task(running.ask("PATCH", UPLOAD, headers=part(0), data=slowly()))
    await going.wait()
    async with asyncio.timeout(10):
        while (await running.ask("HEAD", UPLOAD))[2].get("Upload-Offset") != "10":
            await asyncio.sleep(0.01)
    second = await running.refusal("PATCH", UPLOAD, headers=part(10), data=CONTENT[10:])
    assert second == (409, "upload_busy")
    assert await running.refusal("DELETE", UPLOAD) == (409, "upload_busy")
    release.set()
    assert (await first)[0] == 201


async def test_a_slow_upload(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended; what has arrived stays, and can be continued."""
    monkeypatch.setattr(upload_routes, "CHUNK_SECONDS", 0.1)

    async def slowly() -> AsyncIterator[bytes]:
        yield CONTENT[:10]
        await asyncio.sleep(60)

    began = time.monotonic()
    assert await running.refusal("PATCH", UPLOAD, headers=part(0), data=slowly()) == (408, "too_slow")
    assert time.monotonic() - began < 40
    assert (await running.ask("HEAD", UPLOAD))[2]["Upload-Offset"] == "10"


async def test_a_trickle(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps no request alive for ever."""
    monkeypatch.setattr(upload_routes, "CHUNK_SECONDS", 0.2)

    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.05)

    async with asyncio.timeout(60):
        assert await running.refusal("PATCH", UPLOAD, headers=part(0), data=trickle()) == (408, "too_slow")


# --- ranges, headers, connections ---


@pytest.mark.parametrize(
    "header",
    [
        "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)),
        "bytes=0-,0-,0-",
        "bytes=0-1, 2-3",
        "bytes=10-5",
        "bytes=99-",
        "bytes=-0",
        "bytes=-",
        "bytes=",
        "bytes=a-b",
        "bytes=\u0661-",
        "lines=0-1",
        "bytes=0-99999999999999999999",
        "bytes=99999999999999999999999-",
    ],
)
async def test_range_bombs(victim: Running, header: str) -> None:
    """One range or none: many ranges of one file would multiply its bytes."""
    status, body, _ = await victim.ask("GET", f"{JOB}/files/output.txt", headers={"Range": header})
    assert status in (400, 416)
    assert b"mine" not in (body if isinstance(body, bytes) else b"")


async def raw(running: Running, text: bytes, *, end: bool = False) -> bytes:
    """Sends bytes as they are, and returns what comes back."""
    reader, writer = await asyncio.open_connection(*running.address)
    try:
        writer.write(text)
        if end:
            writer.write_eof()
        async with asyncio.timeout(15):
            return await reader.read(2**16)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost: x\r\n X: folded\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["many headers", "long header", "long line", "two lengths", "two content lengths", "folded", "TLS"],
)
async def test_header_floods(running: Running, text: bytes) -> None:
    """Refused by the parser, or cut off; the gateway continues to serve."""
    answered = await raw(running, text, end=True)
    assert not answered or answered.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert (await running.ask("GET", "/v1/info", None))[0] == 200


async def test_a_slow_head(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that never ends is cut off after a few seconds."""
    from provider_daemon.metrics import gate

    monkeypatch.setattr(gate, "REQUEST_SECONDS", 0.2)
    assert await raw(running, b"GET / HTTP/1.1\r\nHost: x\r\nX: ") == b""


async def test_many_connections_of_one_address(running: Running) -> None:
    """Beyond the limit each new one is closed at once; the others work."""
    connections = [
        await asyncio.open_connection(*running.address) for _ in range(limits.CONNECTIONS_PER_ADDRESS + 5)
    ]
    async with asyncio.timeout(10):
        closed = [await connections[n][0].read(1) for n in range(-5, 0)]
    assert closed == [b""] * 5
    for _, writer in connections:
        writer.close()


async def test_too_many_requests(tmp_path: Path, ledger: Any) -> None:
    """Of one address, whoever it says it is, and of one account, wherever it comes from."""
    async with serving(tmp_path, ledger, requests_per_minute=10) as running:
        for _ in range(10):
            await running.ask("GET", "/v1/info", None)
        status, body, headers = await running.ask("GET", "/v1/info", None)
        assert (status, body["error"]["code"], headers["Retry-After"]) == (429, "too_many_requests", "7")
        forwarded = {"X-Forwarded-For": "192.0.2.7"}
        assert (await running.ask("GET", "/v1/info", None, headers=forwarded))[0] == 429


async def test_an_account_behind_a_proxy(tmp_path: Path, ledger: Any) -> None:
    """Behind a proxy the address is what the proxy adds last; the account's limit holds for all of them."""
    async with serving(tmp_path, ledger, requests_per_minute=10, proxied=True) as running:
        found = [
            (
                await running.ask(
                    "GET", "/v1/jobs", headers={"X-Forwarded-For": f"203.0.113.1, 192.0.2.{number}"}
                )
            )[0]
            for number in range(11)
        ]
    assert found == [200] * 10 + [429]


async def test_a_disconnect_in_the_middle_of_a_download(running: Running) -> None:
    """What served it is released, and the next download works."""
    running.write(running.job(7), "big", os.urandom(30_000_000))
    for path in (f"{JOB}/files/big", f"{JOB}/archive?format=tar.zst"):
        reader, writer = await asyncio.open_connection(*running.address)
        token = running.bearer()["Authorization"]
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode())
        assert (await reader.read(1000)).startswith(b"HTTP/1.1 200")
        assert running.gateway.streams.open == 1
        writer.transport.abort()
        async with asyncio.timeout(10):
            while running.gateway.streams.open:
                await asyncio.sleep(0.01)
    status, body, _ = await running.ask("GET", f"{JOB}/files/big")
    assert (status, len(body)) == (200, 30_000_000)
    cut = [
        sample
        for family in running.gateway.measures.meters.collect(running.clock.now())
        for sample in family.samples
        if sample.labels.get("code") == "499" and sample.name.endswith("_total")
    ]
    assert sum(sample.value for sample in cut) == 2


async def test_a_file_that_shrinks_in_the_middle(running: Running) -> None:
    """The answer is cut off, so that its reader does not take it for whole."""
    import aiohttp

    file = running.write(running.job(7), "big", os.urandom(30_000_000))
    url = f"http://{running.address[0]}:{running.address[1]}{JOB}/files/big"
    async with running.http.get(url, headers=running.bearer()) as answer:
        await answer.content.read(1000)
        file.write_bytes(b"")
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


@pytest.mark.parametrize("seconds", [-(2**57), -1, 2**40, 2**62])
async def test_a_file_of_another_age(running: Running, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """A job sets any time: one that HTTP cannot express is left out, and the file is sent."""
    path = Path(running.job(7).directory) / "a"
    path.write_bytes(b"content")
    site = next(iter(running.gateway.sites.values()))
    found = await site.files.identity(str(path.parent), "a")

    async def identity(*_: str) -> Identity:
        return replace(found, mtime_ns=seconds * 10**9)

    monkeypatch.setattr(site.files, "identity", identity)
    status, body, headers = await running.ask("GET", f"{JOB}/files/a")
    assert (status, body) == (200, b"content")
    assert "Last-Modified" not in headers


async def test_several_archives_of_one_account(running: Running) -> None:
    """Each occupies one of two programs at the site: a client that reads slowly leaves one to the others."""
    job = running.job(7)
    (Path(job.directory) / "a").write_bytes(b"content")
    with running.gateway.archives.taken(job.spec.customer):
        assert await running.refusal("GET", f"{JOB}/archive") == (429, "too_many_streams")
    with running.gateway.archives.taken("ve1another"):
        assert (await running.ask("GET", f"{JOB}/archive"))[0] == 200
    assert running.gateway.archives.open == 0
