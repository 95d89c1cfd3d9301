from collections.abc import AsyncIterator

import pytest

from provider_daemon.clock import SystemClock
from provider_daemon.lab.simulated.site import SimulatedSite
from provider_daemon.lab.site.site import Site
from provider_daemon.slurm.scheduler import SlurmScheduler
from tests.contract.places import Place, logins

REAL = [pytest.mark.real, pytest.mark.xdist_group("real-slurm")]


@pytest.fixture(
    params=[
        pytest.param(("simulated", "ssh"), id="simulated-ssh"),
        pytest.param(("simulated", "local"), id="simulated-local"),
        pytest.param(("simulated", "pool"), id="simulated-pool"),
        pytest.param(("real", "ssh"), id="real-ssh", marks=REAL),
        pytest.param(("real", "local"), id="real-local", marks=REAL),
        pytest.param(("real", "pool"), id="real-pool", marks=REAL),
    ]
)
def way(request: pytest.FixtureRequest) -> tuple[Site | SimulatedSite, str]:
    """A site and how it is reached."""
    kind, transport_name = request.param
    return request.getfixturevalue(f"{kind}_site"), transport_name


@pytest.fixture
async def place(way: tuple[Site | SimulatedSite, str]) -> AsyncIterator[Place]:
    site, transport_name = way
    pooled = transport_name == "pool"
    if pooled and not site.pool:
        pytest.skip("only root can create the Unix users of a pool")
    account = site.account if pooled else ""
    scheduler = SlurmScheduler(logins(site, transport_name), SystemClock(), account=account)
    root = site.work_root
    if transport_name == "local":  # jobs of another user than over SSH: the claims belong to one
        root = root / "local"
        root.mkdir(exist_ok=True)
    yield Place(site, scheduler, root, site.pool[0] if pooled else "")
    await scheduler.close()
