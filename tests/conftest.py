"""What all tests share: logging that no test leaves changed, a simulated SLURM site for each test, and one
real one for all that ask."""

import logging
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from provider_daemon.lab.simulated.site import SimulatedSite
from provider_daemon.lab.site.site import Site


def pytest_configure() -> None:
    """Ctrl-C is under test: shells ignore it for what they run in the background, and children would inherit
    that.

    How fast a busy machine makes up its examples says nothing of what is under test.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.register_profile(
        "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("busy")


@pytest.fixture
async def simulated_site() -> AsyncIterator[SimulatedSite]:
    async with SimulatedSite() as site:
        yield site


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that is called in this process sets up logging for itself, to streams that are closed after
    it."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers = list(root.handlers)
    yield
    structlog.configure(**before)
    root.handlers = handlers


@pytest.fixture(scope="session")
def real_site() -> Iterator[Site]:
    """A private SLURM site; where it cannot start, the tests that need it fail."""
    # pytest's own directories are closed to other users, and root's jobs run as one.
    parent = Path(tempfile.mkdtemp(prefix="provd-test."))
    parent.chmod(0o755)
    site = Site.open(parent / "site")
    try:
        site.up()
        yield site
    finally:
        site.down(purge=True)
        shutil.rmtree(parent)
