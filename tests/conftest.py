"""Fixtures of all tests.

They restore logging after each test, and provide a simulated SLURM site for each test and one shared real
one.
"""

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc.aio
import hypothesis
import pytest
import structlog

from provider_daemon.lab.simulated.site import SimulatedSite
from provider_daemon.lab.site.site import Site


def pytest_configure() -> None:
    """Sets up signals and examples for the whole run.

    Ctrl-C is under test: shells ignore it in background processes, and children would inherit that. The time
    that a busy machine needs to generate examples does not matter to the tests.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.register_profile(
        "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("busy")


@pytest.fixture(scope="session", autouse=True)
def grpc_queue() -> None:
    """Keeps gRPC's completion queue for the whole run.

    The last channel frees it. When the garbage collector frees that channel while a call is in flight, the
    thread that frees it waits for ever.
    """
    grpc.aio.init_grpc_aio()


@pytest.fixture
async def simulated_site() -> AsyncIterator[SimulatedSite]:
    async with SimulatedSite(pool=4) as site:
        yield site


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Restores logging.

    A command that is called in this process sets up its own logging, to streams that are closed afterwards.
    """
    before, root = structlog.get_config(), logging.getLogger()
    handlers = list(root.handlers)
    yield
    structlog.configure(**before)
    root.handlers = handlers


@pytest.fixture(scope="session")
def real_site() -> Iterator[Site]:
    """A private SLURM site. If it cannot start, the tests that need it fail."""
    # pytest's own directories are closed to other users, and root's jobs run as another user.
    parent = Path(tempfile.mkdtemp(prefix="provd-test."))
    parent.chmod(0o755)
    site = Site.open(parent / "site", pool=0 if os.geteuid() else 4)
    try:
        site.up()
        yield site
    finally:
        site.down(purge=True)
        shutil.rmtree(parent)
