import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provider_daemon.clock import SystemClock
from provider_daemon.lab.simulated.ssh import SshServer
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.ssh import SshTransport


@pytest.fixture(params=["local", "ssh"])
async def files(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SiteFiles]:
    """Files over each transport; over SSH with a real SSH server on loopback."""
    if request.param == "local":
        made = SiteFiles(LocalTransport())
        yield made
        await made.close()
        return
    server = SshServer(tmp_path / "keys", "customer", {"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    await server.start()
    transport = SshTransport(clock=SystemClock(), **server.ssh)  # type: ignore[arg-type] # by name
    made = SiteFiles(transport)
    yield made
    await made.close()
    await transport.close()
    await server.stop()


@pytest.fixture
async def local() -> AsyncIterator[SiteFiles]:
    made = SiteFiles(LocalTransport())
    yield made
    await made.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "job.0123abcd"
    made.mkdir(0o700)
    return made
