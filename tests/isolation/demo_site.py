"""The site of `provd demo` with the configuration that the demo writes, as a stage."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator

from provider_daemon.demo.environment import write_config
from provider_daemon.demo.sites import RealSite
from provider_daemon.ledger.ledger import Ledger
from tests.isolation.stage import KEY, NO_PORT, Stage


@contextlib.asynccontextmanager
async def demo_site(around: Stage, pool: int) -> AsyncIterator[Stage]:
    """The site runs beside that of `around`, in the same namespaces. `pool`: its number of Unix users."""
    directory = around.directory / "demo"
    directory.mkdir()
    site = await asyncio.to_thread(RealSite, directory, pool=pool)
    try:
        config = write_config(directory, site, KEY, NO_PORT)
        Ledger.open(directory / "ledger.sqlite").close()
        yield Stage(around.node, directory, site.slurm, config)
    finally:
        await site.down()
        shutil.rmtree(directory)
