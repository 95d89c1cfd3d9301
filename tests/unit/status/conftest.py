"""A ledger of its own for each test, and a served page over it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from provider_daemon.ledger.ledger import Ledger
from provider_daemon.metrics.server import build_app, serve
from provider_daemon.status.board import Board
from provider_daemon.status.routes import Routes
from tests.unit.metrics.parts import Endpoint, Health, parts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(path)
    yield opened
    opened.close()


@pytest.fixture
async def site(ledger: Ledger, path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the daemon's port; its base is the port's address."""
    made = parts(ledger, path, Health("intake", last_success=990.0), endpoints=lambda: [Endpoint()])
    app = build_app(made)
    Routes(Board(made), "127.0.0.1").add_to(app)
    runner = await serve(app, "127.0.0.1:0")
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
        yield session
    await runner.cleanup()
