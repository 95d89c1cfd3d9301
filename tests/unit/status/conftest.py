"""A served page over the ledger."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from provider_daemon.ledger.ledger import Ledger
from provider_daemon.metrics.server import build_app, serve
from provider_daemon.status.routes import Routes
from provider_daemon.status.view import View
from tests.unit.metrics.parts import Endpoint, Health, parts


def made(ledger: Ledger, path: Path) -> web.Application:
    """What the daemon serves, on a clock that stands still."""
    parts_ = parts(ledger, path, Health("intake", last_success=990.0), endpoints=lambda: [Endpoint()])
    app = build_app(parts_)
    Routes(View(parts_), "127.0.0.1").add_to(app)
    return app


@pytest.fixture
async def site(ledger: Ledger, path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the daemon's port; its base is the port's address."""
    runner = await serve(made(ledger, path), "127.0.0.1:0", "metrics.listen")
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
        yield session
    await runner.cleanup()
