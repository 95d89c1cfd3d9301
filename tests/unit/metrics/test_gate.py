"""The metrics port while somebody wants it to fail: bounded connections, bounded waiting, and an answer for
whoever asks."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import structlog
from aiohttp import web

from provider_daemon.metrics import gate as module
from provider_daemon.metrics.gate import FLOODED, MOST, Gate, HttpCounts, peer_group
from provider_daemon.metrics.server import serve
from provider_daemon.ongoing import OngoingProblems
from tests.fakes.chain import FakeClock

FLOOD = 400
CONNECTION = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Port:
    host: str
    port: int
    counts: HttpCounts
    ongoing: OngoingProblems
    release: asyncio.Event

    async def connect(self) -> CONNECTION:
        return await asyncio.open_connection(self.host, self.port)

    async def get(self, path: str = "/metrics") -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{self.host}:{self.port}{path}") as answer,
        ):
            await answer.read()
            return answer.status

    async def emptied(self) -> None:
        async with asyncio.timeout(10):
            while self.counts.open:
                await asyncio.sleep(0.01)


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    """Answers at once, and at /held when it is released."""
    release = asyncio.Event()

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text="provd_build_info 1\n")

    async def held(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response(text="late\n")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/held", held)
    counts, ongoing = HttpCounts(), OngoingProblems()
    runner = await serve(app, "127.0.0.1:0", "metrics.listen", Gate("here", FakeClock(), ongoing, counts))
    host, port = runner.addresses[0]
    yield Port(host, port, counts, ongoing, release)
    release.set()
    await runner.cleanup()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def close(connections: list[CONNECTION]) -> None:
    for _, writer in connections:
        writer.close()


async def test_more_connections_than_descriptors(port: Port) -> None:
    """Idle connections never hold more than MOST descriptors, whoever asks is answered meanwhile, and the log
    has one line of it."""
    before = descriptors()
    with structlog.testing.capture_logs() as lines:
        flood = [await port.connect() for _ in range(FLOOD)]
        assert await port.get() == 200
        assert port.counts.open <= MOST
        assert descriptors() <= before + FLOOD + MOST + 10  # the flood's own ends are this process's too
        assert [line["event"] for line in lines] == [FLOODED]
        assert (FLOODED, "here") in port.ongoing.lasting()
        close(flood)
        await port.emptied()
        assert await port.get() == 200
    assert [line["event"] for line in lines] == [FLOODED, "port_recovered"]
    assert port.counts.full == FLOOD + 1 - MOST
    assert port.ongoing.lasting() == []


async def test_half_a_request_is_closed(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing, or a byte at a time that never becomes a request: neither holds a connection for longer than a
    request may take."""
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.3)
    silent, slow = await port.connect(), await port.connect()
    slow[1].write(b"GET /metrics HTTP/1.1\r\nX-A: ")
    async with asyncio.timeout(10):
        for reader, _ in (silent, slow):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
    assert port.counts.late == 2


async def test_a_further_request_on_the_same_connection(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scraper keeps its connection between two scrapes; once it is idle for too long, it is closed."""
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.5)
    reader, writer = await port.connect()
    for _ in range(2):
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"provd_build_info" in await reader.readuntil(b"provd_build_info 1\n")
    async with asyncio.timeout(10):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    assert port.counts.late == 1


async def test_requests_under_way_are_left_alone(port: Port) -> None:
    """With MOST requests under way it is the new connection that is closed; each of the others gets its
    answer."""
    held = [asyncio.create_task(port.get("/held")) for _ in range(MOST)]
    async with asyncio.timeout(10):
        while port.counts.open < MOST:
            await asyncio.sleep(0.01)
        reader, writer = await port.connect()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        port.release.set()
        assert set(await asyncio.gather(*held)) == {200}


async def test_an_answer_that_nobody_reads(
    port: Port, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Asks again and again on one connection and reads nothing: closed within the time for reading."""
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.3)
    _, writer = await port.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
    await port.emptied()
    assert port.counts.late == 1
    writer.close()


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("not an address", "not an address"),
    ],
)
def test_addresses_that_are_limited_together(address: str, group: str) -> None:
    """Whoever has one IPv6 address has 2^64 of them."""
    assert peer_group(address) == group
