"""A command asks the running daemon of itself."""

import asyncio
import socket
from dataclasses import asdict

import aiohttp
import pytest

from provider_daemon.status.ask import ask, read
from provider_daemon.status.overview import Daemon, Part
from tests.unit.status.test_sections import DAEMON


async def test_the_running_daemon_answers(site: aiohttp.ClientSession) -> None:
    """Its parts as they are, by the address that it listens on; one that listens everywhere is on this machine too."""
    port = str(site._base_url).rpartition(":")[2].strip("/")
    for listen in (f"127.0.0.1:{port}", f"0.0.0.0:{port}"):
        found = await asyncio.to_thread(ask, listen)
        assert isinstance(found, Daemon)
        assert found.parts == (Part("intake", "", 990.0),)
        assert found.ready


def test_no_answer() -> None:
    """Nothing listens, or nothing that is provd: the daemon is down."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        assert ask(f"127.0.0.1:{other.getsockname()[1]}") is None
    assert ask("no.such.host.invalid:9464") is None


def test_as_it_was_said() -> None:
    """The document and back; one of another version is none."""
    assert read(asdict(DAEMON)) == DAEMON
    with pytest.raises(TypeError):
        read({**asdict(DAEMON), "parts": [{"name": "x", "mood": "good"}]})
