"""How a command finds the daemon of this machine, and what it makes of what answers."""

import asyncio
import socket
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web

from provider_daemon.client import control
from provider_daemon.control.clusters import PAUSE, PauseClusters
from provider_daemon.errors import LedgerError, Refused, Transient
from provider_daemon.ledger.ledger import Ledger
from tests.fakes.chain import CHAIN_ID, PROVIDER
from tests.unit.control.test_server import described, opened
from tests.unit.daemons import config


async def test_a_daemon_is_found_by_its_key(tmp_path: Path) -> None:
    """By address or name, on its own chain only, and by the configuration of another daemon not at all."""
    settings = config(tmp_path, 1, {"alpha": "main"})
    (tmp_path / "another").mkdir()
    other = config(tmp_path / "another", 1, {"beta": "main"})
    async with opened(tmp_path / "control.sock", Ledger.open(tmp_path / "ledger.sqlite"), settings):
        for signer in (PROVIDER.address, "main"):
            found = await asyncio.to_thread(control.of_key, signer, CHAIN_ID, settings, everywhere=False)
            assert found is not None
            assert found.daemon == described(settings)
        assert await asyncio.to_thread(control.of_key, PROVIDER.address, "another-1", settings) is None
        assert await asyncio.to_thread(control.of_key, "ve1somebody", CHAIN_ID, settings) is None
        assert await asyncio.to_thread(control.of_key, "main", CHAIN_ID, other) is not None
        assert await asyncio.to_thread(control.of_key, "main", CHAIN_ID, other, everywhere=False) is None


async def test_a_socket_of_a_stranger_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a configuration only sockets of root, of this user and of provd's user count."""
    settings = config(tmp_path, 1, {"alpha": "main"})
    async with opened(tmp_path / "control.sock", Ledger.open(tmp_path / "ledger.sqlite"), settings):
        assert await asyncio.to_thread(control.of_key, "main", CHAIN_ID, None) is not None
        monkeypatch.setattr(control, "peer_uid", lambda connection: 65534)
        assert await asyncio.to_thread(control.of_key, "main", CHAIN_ID, None) is None
        monkeypatch.setattr(control, "SERVICE_USER", "nobody")
        assert await asyncio.to_thread(control.of_key, "main", CHAIN_ID, None) is not None


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (409, '{"error": "it is over"}', Refused),
        (503, '{"error": "the disk is full"}', LedgerError),
        (500, "", Transient),
        (200, "no json", Transient),
    ],
)
async def test_what_an_answer_means(tmp_path: Path, status: int, body: str, error: type[Exception]) -> None:
    """The daemon's own reason is raised as what it is; anything else is not provd."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    try:
        asked = control.Control(tmp_path / "s", described(config(tmp_path, 1, {"alpha": "main"})))
        with pytest.raises(error):
            await asyncio.to_thread(asked.ask, PAUSE, PauseClusters(reason="x"))
    finally:
        await runner.cleanup()


def test_a_daemon_whose_socket_does_not_answer(tmp_path: Path) -> None:
    """It holds the ledger, so nothing is changed; the error says what is wrong with the socket."""
    settings = config(tmp_path, 1, {"alpha": "main"})
    with closing(Ledger.open(tmp_path / "ledger.sqlite")):
        with pytest.raises(LedgerError, match="has no control socket"):
            control.operate(settings, PAUSE, reason="x")
        with closing(socket.socket(socket.AF_UNIX)) as dead:
            dead.bind(str(tmp_path / "control.sock"))
        with pytest.raises(LedgerError, match="its control socket cannot be used"):
            control.operate(settings, PAUSE, reason="x")


def test_before_the_first_start(tmp_path: Path) -> None:
    """There is no ledger to change, and none is made."""
    with pytest.raises(LedgerError, match="no ledger at"):
        control.operate(config(tmp_path, 1, {"alpha": "main"}), PAUSE, reason="x")
    assert not (tmp_path / "ledger.sqlite").exists()
