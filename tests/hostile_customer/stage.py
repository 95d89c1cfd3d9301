"""A private SLURM site with bwrap and srun as launchers, a devnet and the real daemon; a neighbour's file; what became of a job."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.chain.job_names import job_name
from provider_daemon.chain.records import chain_job
from provider_daemon.demo.children import Child
from provider_daemon.demo.jobs import DemoJob
from provider_daemon.demo.market import CHAIN_ID, Market, opened, order
from provider_daemon.demo.sites import RealSite
from provider_daemon.demo.stage import write_config
from provider_daemon.job.state import TERMINAL, State
from provider_daemon.lab.site.site import Site
from tests.waiting import until

JOB_SECONDS = 90
SECRET = "the neighbour's result"
BWRAP, SRUN, NATIVE = "box/debian", "tasks/debian", "docker.io/library/alpine:3"
_LAUNCHERS = """
[[clusters.images]]
pattern = "box/*"
run = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
       "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev",
       "--bind", "{directory}", "/work", "--chdir", "/work"]

[[clusters.images]]
pattern = "tasks/*"
run = ["srun", "--ntasks=1"]

[clusters.limits]
max_jobs = 2
"""


class HostileSite(RealSite):
    @property
    def slurm(self) -> Site:
        return self._site


@dataclass(frozen=True, slots=True)
class Ended:
    """`slurm`: (state, exit code) of each SLURM job under its name. `output`: of all its directories."""

    state: State
    message: str
    slurm: list[tuple[str, str]]
    output: str

    @property
    def refused(self) -> bool:
        return self.state is State.FAILED and not self.slurm


@dataclass(slots=True)
class Stage:
    directory: Path
    site: HostileSite
    market: Market
    daemon: Child

    @property
    def work_root(self) -> Path:
        return self.site.work_root

    def neighbour(self, name: str) -> Path:
        """The result file of another customer, owned by the site's user as all jobs' files are."""
        place = self.work_root / f"neighbour-{name}"
        place.mkdir()
        file = place / "output.txt"
        file.write_text(SECRET)
        user = self.site.slurm.layout.plan.user
        with contextlib.suppress(PermissionError, LookupError):
            shutil.chown(place, user)
            shutil.chown(file, user)
        return file

    async def submit(self, *jobs: DemoJob, customer: int = 0) -> list[str]:
        return await order(self.market.customers[customer], *jobs)

    async def name(self, job_id: str) -> str:
        record = await self.market.chain.query.job(job_id)
        assert record is not None
        return job_name(self.market.provider.signer, chain_job(record, CHAIN_ID).spec)

    async def ended(self, job_id: str, seconds: float = JOB_SECONDS) -> Ended:
        """Once the chain has its last state."""

        async def over() -> bool:
            record = await self.market.chain.job(job_id)
            return record is not None and record.state in TERMINAL

        await until(f"{job_id} ends", over, limit=seconds, pause=0.5)
        record, name = await self.market.chain.query.job(job_id), await self.name(job_id)
        found = await self.market.chain.job(job_id)
        assert record is not None
        assert found is not None
        slurm = (await asyncio.to_thread(self.site.accounting)).get(name, [])
        files = [file for file in self.work_root.glob(f"{name}.*/output.txt") if not file.parent.is_symlink()]
        output = "".join(file.read_text(errors="replace") for file in files)
        return Ended(found.state, record.status_message, slurm, output)

    async def run(self, job: DemoJob, customer: int = 0) -> Ended:
        (job_id,) = await self.submit(job, customer=customer)
        return await self.ended(job_id)


def attack(command: str, *arguments: str, image: str = NATIVE, seconds: int = 60) -> DemoJob:
    return DemoJob("", 0, State.FAILED, None, command, arguments, image=image, max_runtime_seconds=seconds)


@contextlib.asynccontextmanager
async def staged(directory: Path) -> AsyncIterator[Stage]:
    site = await asyncio.to_thread(HostileSite, directory)
    try:
        market = await opened(directory, "published", customers=2)
        try:
            config = write_config(directory, site, market.secret, market.port)
            config.write_text(config.read_text() + _LAUNCHERS)
            daemon = Child("the daemon", ["run", "-c", str(config)], directory / "provd.log")
            daemon.start()
            try:
                await asyncio.to_thread(daemon.wait_for, "provd_started")
                yield Stage(directory, site, market, daemon)
            finally:
                await asyncio.to_thread(daemon.stop)
        finally:
            await market.close()
    finally:
        await site.down()
