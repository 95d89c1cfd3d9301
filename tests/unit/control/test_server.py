"""The control socket: who may use it, and what it answers to what no command sends."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from provider_daemon.client import control as client
from provider_daemon.config.model import Config
from provider_daemon.control import server
from provider_daemon.control.address import address
from provider_daemon.control.daemon import DaemonDescription
from provider_daemon.control.operation import Context
from provider_daemon.control.server import ControlSocket
from provider_daemon.errors import ConfigError
from provider_daemon.ledger import meta
from provider_daemon.ledger.ledger import Ledger
from tests.fakes.chain import PROVIDER
from tests.unit.daemons import config


def described(settings: Config) -> DaemonDescription:
    return DaemonDescription(
        version="1",
        chain_id=settings.chain.id,
        ledger=settings.ledger.path,
        ledger_id="id",
        clusters=("HPC-1",),
        keys={PROVIDER.address: PROVIDER.public_key.hex()},
        key_names={"main": PROVIDER.address},
    )


@asynccontextmanager
async def opened(path: Path, ledger: Ledger, settings: Config) -> AsyncIterator[list[frozenset[str]]]:
    """Yields which loops were woken."""
    woken: list[frozenset[str]] = []
    made = ControlSocket(
        str(path), lambda: described(settings), lambda who: Context(ledger, settings, who, 5.0), woken.append
    )
    await made.open()
    try:
        yield woken
    finally:
        await made.close()


async def ask(path: Path, operation: str, body: bytes, headers: dict[str, str] | None = None) -> Any:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session,
        session.post(f"http://daemon/v1/{operation}", data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


@pytest.fixture
def settings(tmp_path: Path) -> Config:
    return config(tmp_path, 1, {"alpha": "main"})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite")


async def test_owner_and_group_may_use_it(tmp_path: Path, ledger: Ledger, settings: Config) -> None:
    """The file has the mode and group of the service, and is gone with the daemon."""
    path = tmp_path / "control.sock"
    async with opened(path, ledger, settings):
        found = path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, os.getegid())
    assert not path.exists()


async def test_who_asks_is_recorded(
    tmp_path: Path, ledger: Ledger, settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel names the user, root names who called sudo, and the loops that act on the change wake up."""
    body = json.dumps({"reason": "night"}).encode()
    async with opened(tmp_path / "s", ledger, settings) as woken:
        status, answer = await ask(tmp_path / "s", "clusters/pause", body, {server.SUDO_USER: "alice"})
        assert (status, answer["clusters"][0]["changed"]) == (200, True)
        assert woken == [frozenset({"heartbeat"})]
        pause = ledger.get(meta.pause("HPC-1"))
        assert pause is not None
        assert pause.by == "root (alice)"
        monkeypatch.setattr(server, "peer_uid", lambda connection: 65534)
        await ask(tmp_path / "s", "clusters/resume", b"{}", {server.SUDO_USER: "root"})
    log = "".join(file.read_text() for file in (tmp_path / "audit").glob("*.jsonl"))
    assert [json.loads(line)["actor"] for line in log.splitlines()] == ["root (alice)", "nobody"]


@pytest.mark.parametrize("service", ["provd-collector", "provd-gateway", "provd-mover"])
async def test_services_of_the_group_may_not_use_it(
    tmp_path: Path, ledger: Ledger, settings: Config, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    """Collector, gateway and data mover are in the group because they read the ledger."""
    monkeypatch.setattr(server, "user_name", lambda uid: service)
    async with opened(tmp_path / "s", ledger, settings):
        status, answer = await ask(tmp_path / "s", "clusters/pause", b'{"reason": "x"}')
    assert status == 403
    assert service in answer["error"]
    assert ledger.get(meta.pause("HPC-1")) is None


@pytest.mark.parametrize(
    ("operation", "body", "status"),
    [
        ("clusters/close", b"{}", 404),
        ("clusters/pause", b"no json", 400),
        ("clusters/pause", b'{"reason": "x", "until": 5}', 400),
        ("clusters/pause", b'{"reason": ""}', 400),
        ("clusters/pause", b'{"cluster": "HPC-9", "reason": "x"}', 409),
        ("messages/send", b'{"body": "AAAA"}', 409),
        ("messages/send", b'{"body": "!"}', 409),
        ("messages/find", b'{"message_id": 7}', 409),
    ],
)
async def test_what_cannot_be_done(
    tmp_path: Path, ledger: Ledger, settings: Config, operation: str, body: bytes, status: int
) -> None:
    """Each has a reason; nothing is changed or recorded."""
    async with opened(tmp_path / "s", ledger, settings):
        found, answer = await ask(tmp_path / "s", operation, body)
    assert (found, bool(answer["error"])) == (status, True)
    assert not (tmp_path / "audit").exists()


async def test_a_change_that_cannot_be_recorded_is_not_made(
    tmp_path: Path, ledger: Ledger, settings: Config
) -> None:
    """The audit log has every change, or the change is not made."""
    (tmp_path / "audit").write_text("in the way")
    async with opened(tmp_path / "s", ledger, settings):
        status, answer = await ask(tmp_path / "s", "clusters/pause", b'{"reason": "x"}')
    assert status == 503
    assert "cannot be written" in answer["error"]
    assert ledger.get(meta.pause("HPC-1")) is None


async def test_what_is_at_the_path(tmp_path: Path, ledger: Ledger, settings: Config) -> None:
    """What a killed daemon left is replaced; neither another daemon's socket nor a file is."""
    path = tmp_path / ("a long name " * 9).strip().replace(" ", "-") / "control.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as killed, address(path) as where:
        killed.bind(where)
    async with opened(path, ledger, settings):
        assert (await asyncio.to_thread(client.at, path)) is not None
        with pytest.raises(ConfigError, match="another process listens there"):
            async with opened(path, ledger, settings):
                pass
        assert path.exists()
    path.write_text("a file")
    with pytest.raises(ConfigError, match="is not a socket"):
        async with opened(path, ledger, settings):
            pass
