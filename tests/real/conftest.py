import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provider_daemon.demo.environment import Environment, build
from provider_daemon.demo.sites import choose


@contextlib.asynccontextmanager
async def staged(pool: int = 0, *, agents: bool = False) -> AsyncIterator[Environment]:
    """Root's jobs run as another user, so everything is in a directory that this user can read."""
    with tempfile.TemporaryDirectory(prefix="provd-test.", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        site = await choose(Path(name), simulated=False, say=lambda _: None, pool=pool)
        made = await build(Path(name), site, "published", lambda _: None, agents=agents)
        try:
            yield made
        finally:
            made.daemon.signal(signal.SIGCONT)  # a daemon that a test stopped could not end
            await made.close()


@pytest.fixture
async def stage() -> AsyncIterator[Environment]:
    """The demo's environment on a real site."""
    async with staged() as made:
        yield made


@pytest.fixture
async def pool_stage() -> AsyncIterator[Environment]:
    """The same with a Unix user for each of the two customers."""
    if os.geteuid():
        pytest.skip("only root can create the Unix users of a pool")
    async with staged(pool=2) as made:
        yield made
