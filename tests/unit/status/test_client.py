"""A command asks the running daemon of itself."""

import asyncio
import socket
from dataclasses import asdict

import aiohttp
import pytest

from provider_daemon.errors import ConfigError
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.status.client import ask, read
from provider_daemon.status.overview import DaemonStatus, LoopStatus
from tests.unit.status.test_sections import DAEMON


async def port_of(site: aiohttp.ClientSession) -> int | None:
    async with site.get("/") as answer:
        return answer.url.port


async def test_the_running_daemon_answers(site: aiohttp.ClientSession, ledger: Ledger) -> None:
    """Its parts as they are, by the address that it listens on; one that listens everywhere is on this
    machine too."""
    port = await port_of(site)
    for listen in (f"127.0.0.1:{port}", f"0.0.0.0:{port}"):
        found = await asyncio.to_thread(ask, listen, ledger.id)
        assert isinstance(found, DaemonStatus)
        assert found.parts == (LoopStatus("intake", "", 990.0),)
        assert found.ready


async def test_the_daemon_of_another_ledger(site: aiohttp.ClientSession) -> None:
    """Its jobs are others: the error says what answers, and what to do."""
    port = await port_of(site)
    with pytest.raises(
        ConfigError,
        match=r"uses another ledger: .*ledger.sqlite: use -c with the configuration of that daemon",
    ):
        await asyncio.to_thread(ask, f"127.0.0.1:{port}", "00" * 16)


async def test_something_else_answers() -> None:
    """Another service on the port is not a daemon that is down."""

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    async with await asyncio.start_server(other, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConfigError, match="not provd of this version"):
            await asyncio.to_thread(ask, f"127.0.0.1:{port}", "")


def test_no_answer() -> None:
    """Nothing listens, or what listens says nothing: the daemon is down."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        assert ask(f"127.0.0.1:{other.getsockname()[1]}", "") is None
    assert ask("no.such.host.invalid:9464", "") is None


def test_as_it_was_said() -> None:
    """The document and back; one of another version is none."""
    assert read(asdict(DAEMON)) == DAEMON
    with pytest.raises(TypeError):
        read({**asdict(DAEMON), "parts": [{"name": "x", "mood": "good"}]})
