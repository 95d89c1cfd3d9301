"""Fetching over https from real servers on loopback."""

import asyncio
import tracemalloc
from dataclasses import replace

import pytest

from provider_daemon.errors import Transient
from provider_daemon.sources.https import CHUNK, Http, Limits, fetch
from provider_daemon.sources.refusals import InputRefusal, InputRefused
from tests.unit.sources.cases import BODY, QUICK, collect, policy, web_input
from tests.unit.sources.far_end import (
    Authority,
    FarEnd,
    Handler,
    answer,
    endless,
    head,
    ranged,
    raw,
    redirect,
    serve,
)


def http(far: FarEnd, tls: Authority, limits: Limits = QUICK) -> Http:
    return Http(policy(f"localhost:{far.port}"), ca_file=str(tls.ca), limits=limits)


async def fetched(tls: Authority, handler: Handler, offset: int = 0, limits: Limits = QUICK) -> bytes:
    async with serve({"/f": handler}, tls.server()) as far:
        return await collect(fetch(http(far, tls, limits), web_input(far.url("/f")), offset))


async def test_whole(tls: Authority) -> None:
    """The bytes arrive as served, in chunks of at most CHUNK bytes."""
    async with (
        serve({"/f": answer(BODY)}, tls.server()) as far,
        fetch(http(far, tls), web_input(far.url("/f?signature=a%2Fb"))) as chunks,
    ):
        parts = [chunk async for chunk in chunks]
    assert b"".join(parts) == BODY
    assert max(map(len, parts)) <= CHUNK
    assert far.requests[0].target == "/f?signature=a%2Fb"
    assert far.requests[0].headers["accept-encoding"] == "identity"


async def test_untrusted_certificate(tls: Authority) -> None:
    """A server whose certificate is not trusted gets no request, and the error says so."""
    async with serve({"/f": answer(BODY)}, tls.server()) as far:
        without = Http(policy(f"localhost:{far.port}"), limits=QUICK)
        with pytest.raises(Transient, match="certificate is not trusted"):
            await collect(fetch(without, web_input(far.url("/f"))))
    assert not far.requests


async def test_certificate_of_another_host(tls: Authority) -> None:
    """A trusted certificate for another name is not accepted."""
    async with serve({"/f": answer(BODY)}, tls.server(), host="127.0.0.3") as far:
        other = Http(policy(f"127.0.0.3:{far.port}"), ca_file=str(tls.ca), limits=QUICK)
        with pytest.raises(Transient, match="certificate is not trusted"):
            await collect(fetch(other, web_input(far.url("/f", host="127.0.0.3"))))
    assert not far.requests


@pytest.mark.parametrize("handler", [ranged(BODY), answer(BODY)], ids=["ranged", "ignores range"])
async def test_resumes(tls: Authority, handler: Handler) -> None:
    """Only the missing bytes are returned; their checksum is left to whoever has the first part."""
    async with serve({"/f": handler}, tls.server()) as far:
        rest = await collect(fetch(http(far, tls), web_input(far.url("/f")), 300_000))
    assert rest == BODY[300_000:]
    assert far.requests[0].headers["range"] == "bytes=300000-"


async def test_cut_then_resumed(tls: Authority) -> None:
    """A cut connection is temporary; the second fetch asks only for the rest."""
    source_parts: list[bytes] = []
    async with serve({"/f": ranged(BODY, cut=500_000)}, tls.server()) as far:
        source = web_input(far.url("/f"))
        with pytest.raises(Transient, match="ended within the content"):
            await collect(fetch(http(far, tls), source), source_parts.append)
        have = b"".join(source_parts)
        rest = await collect(fetch(http(far, tls), source, len(have)))
    assert 0 < len(have) <= 500_000
    assert have + rest == BODY


async def test_complete_part_needs_no_request(tls: Authority) -> None:
    """If all bytes are there already, nothing is fetched."""
    async with serve({"/f": ranged(BODY)}, tls.server()) as far:
        source = web_input(far.url("/f"))
        assert await collect(fetch(http(far, tls), source, len(BODY))) == b""
    assert not far.requests


async def test_checksum_left_to_the_caller(tls: Authority) -> None:
    """Content is hashed once where the caller hashes it too; its size is still checked."""
    async with serve({"/f": answer(BODY)}, tls.server()) as far:
        source = web_input(far.url("/f"), sha256="0" * 64)
        assert await collect(fetch(http(far, tls), source, hashing=False)) == BODY
        with pytest.raises(InputRefused) as caught:
            await collect(fetch(http(far, tls), source))
        assert caught.value.reason is InputRefusal.WRONG_CHECKSUM
        with pytest.raises(InputRefused) as caught:
            await collect(fetch(http(far, tls), replace(source, size=1), hashing=False))
        assert caught.value.reason is InputRefusal.WRONG_SIZE


async def test_no_resumption_without_checksum(tls: Authority) -> None:
    """Parts of two fetches may belong to different content, which only a checksum shows."""
    async with serve({"/f": ranged(BODY)}, tls.server()) as far:
        source = web_input(far.url("/f"), sha256=None)
        with pytest.raises(ValueError, match="no checksum"):
            await collect(fetch(http(far, tls), source, 10))


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
async def test_redirect(tls: Authority, status: str) -> None:
    """Redirects are followed, relative ones too, and the query of the target is kept."""
    answers = {"/f": redirect("/other?x=%2B", status), "/other": answer(BODY)}
    async with serve(answers, tls.server()) as far:
        assert await collect(fetch(http(far, tls), web_input(far.url("/f")))) == BODY
    assert [request.target for request in far.requests] == ["/f", "/other?x=%2B"]


async def test_redirect_with_offset(tls: Authority) -> None:
    """The Range is sent to the redirect's target too."""
    answers = {"/f": redirect("/other"), "/other": ranged(BODY)}
    async with serve(answers, tls.server()) as far:
        rest = await collect(fetch(http(far, tls), web_input(far.url("/f")), 1))
    assert rest == BODY[1:]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("400 Bad Request", InputRefusal.RESPONSE),
        ("401 Unauthorized", InputRefusal.DENIED),
        ("403 Forbidden", InputRefusal.DENIED),
        ("404 Not Found", InputRefusal.NOT_FOUND),
        ("410 Gone", InputRefusal.NOT_FOUND),
        ("204 No Content", InputRefusal.RESPONSE),
        ("304 Not Modified", InputRefusal.RESPONSE),
    ],
)
async def test_final_status(tls: Authority, status: str, reason: InputRefusal) -> None:
    """A status that will not change is final, and the body of such an answer is not the input."""
    with pytest.raises(InputRefused) as caught:
        await fetched(tls, answer(b"", status))
    assert caught.value.reason is reason


@pytest.mark.parametrize("status", ["408 x", "425 x", "429 x", "500 x", "502 x", "503 x", "504 x"])
async def test_temporary_status(tls: Authority, status: str) -> None:
    """A busy or broken server is asked again later."""
    with pytest.raises(Transient, match=f"HTTP {status[:3]}"):
        await fetched(tls, answer(b"", status))


async def test_refused_connection(tls: Authority) -> None:
    """A server that is down is temporary."""
    async with serve({}, tls.server()) as far:
        pass
    with pytest.raises(Transient, match="no connection"):
        await collect(fetch(http(far, tls), web_input(far.url("/f"))))


async def test_end_by_close(tls: Authority) -> None:
    """A body without length or chunks is accepted if the checksum fits; a short one may have been cut."""
    start = b"HTTP/1.0 200 OK\r\n\r\n"
    assert await fetched(tls, raw(start, BODY)) == BODY
    with pytest.raises(Transient, match="may have been cut"):
        await fetched(tls, raw(start, BODY[:-1]))


async def test_chunked(tls: Authority) -> None:
    """A chunked body is read, and its marked end makes a short one final."""
    start = head("200 OK", {"Transfer-Encoding": "chunked"})
    whole = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    assert await fetched(tls, raw(start, whole)) == BODY
    short = b"%x\r\n%b\r\n0\r\n\r\n" % (5, BODY[:5])
    with pytest.raises(InputRefused) as caught:
        await fetched(tls, raw(start, short))
    assert caught.value.reason is InputRefusal.WRONG_SIZE


async def test_consumer_errors_stay_theirs(tls: Authority) -> None:
    """An error of the code that stores the bytes is not taken for one of the connection."""
    async with serve({"/f": answer(BODY)}, tls.server()) as far:
        with pytest.raises(OSError, match="disk"):
            await collect(fetch(http(far, tls), web_input(far.url("/f"))), full_disk)


def full_disk(_: bytes) -> None:
    raise OSError("disk full")


async def test_total_time(tls: Authority) -> None:
    """A fetch ends after its total time, although bytes still come."""
    slow = endless(head("200 OK", {"Content-Length": str(len(BODY))}), b"x" * 100, pause=0.01)
    limits = Limits(connect=2, answer=2, idle=2, slow=60, total=0.05)
    with pytest.raises(Transient, match="the next attempt resumes"):
        await fetched(tls, slow, limits=limits)


async def test_memory_stays_flat(tls: Authority) -> None:
    """A reader that is slower than the server does not make the daemon hold the content."""
    size = 64 * 1024 * 1024
    block = bytes(1024 * 1024)

    async def big(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(head("200 OK", {"Content-Length": str(size)}))
        for _ in range(size // len(block)):
            writer.write(block)
            await writer.drain()

    async with serve({"/f": big}, tls.server()) as far:
        source = web_input(far.url("/f"), sha256=None, size=size, limit=size)
        received = 0
        tracemalloc.start()
        async with fetch(http(far, tls), source) as chunks:
            async for chunk in chunks:
                received += len(chunk)
                await asyncio.sleep(0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert received == size
    assert peak < 16 * 1024 * 1024
