import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provider_daemon.demo.environment import Environment, build
from provider_daemon.demo.sites import choose


@pytest.fixture
async def stage() -> AsyncIterator[Environment]:
    """The demo's environment on a real site.

    Root's jobs run as another user, so it is in a directory that this user can read.
    """
    with tempfile.TemporaryDirectory(prefix="provd-test.", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        site = await choose(Path(name), simulated=False, say=lambda _: None)
        made = await build(Path(name), site, "published", lambda _: None)
        try:
            yield made
        finally:
            made.daemon.signal(signal.SIGCONT)  # a daemon that a test stopped could not end
            await made.close()
