"""A private SLURM site with bwrap and srun as launchers, a devnet and the real daemon.

The site's accounting records no GPUs. The stage also has a neighbour's file, and returns a job's result.
"""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.chain import evidence_check
from provider_daemon.chain.job_names import job_name
from provider_daemon.chain.records import chain_job
from provider_daemon.demo.environment import write_config
from provider_daemon.demo.jobs import DemoJob
from provider_daemon.demo.market import CHAIN_ID, Market, opened, order
from provider_daemon.demo.processes import Process
from provider_daemon.demo.sites import RealSite
from provider_daemon.job.state import TERMINAL, State
from tests.expect import Wrong
from tests.waiting import until

JOB_SECONDS = 90
SECRET = "the neighbour's result"
BWRAP, SRUN, NATIVE = "box/debian", "tasks/debian", "docker.io/library/alpine:3"
CONTAINED = "contained/debian"  # the node's programs in the built-in launcher bubblewrap
_LAUNCHERS = """
[[clusters.images]]
pattern = "contained/*"
launcher = "bubblewrap"
native = true
max_processes = 64

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
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of a job.

    `slurm`: (state, exit code) of each SLURM job under its name. `output`: of all its directories.
    """

    state: State
    message: str
    slurm: list[tuple[str, str]]
    output: str

    @property
    def refused(self) -> bool:
        return self.state is State.FAILED and not self.slurm


@dataclass(frozen=True, slots=True)
class Record:
    """A record of sacct; `elapsed` is in seconds."""

    slurm_id: str
    name: str
    elapsed: int


@dataclass(slots=True)
class Stage:
    directory: Path
    site: RealSite
    market: Market
    daemon: Process

    @property
    def work_root(self) -> Path:
        return self.site.work_root

    def neighbour(self, name: str) -> Path:
        """The result file of another customer, owned by the site's user like all jobs' files."""
        place = self.work_root / f"neighbour-{name}"
        place.mkdir()
        file = place / "output.txt"
        file.write_text(SECRET)
        user = self.site.slurm.layout.plan.user
        with contextlib.suppress(PermissionError, LookupError):
            shutil.chown(place, user)
            shutil.chown(file, user)
        return file

    # --- the daemon ---

    async def logged(self, event: str, job_id: str) -> None:
        """Waits until the daemon has logged that event about the job."""

        def written() -> bool:
            lines = (
                json.loads(line) for line in self.daemon.log.read_text().splitlines() if line.startswith("{")
            )
            return any((line.get("event"), line.get("job")) == (event, job_id) for line in lines)

        await until(f"{event} of {job_id}", written, limit=JOB_SECONDS, pause=0.5)

    async def provd(self, *arguments: str) -> None:
        """Runs a command beside the running daemon."""
        command = [
            sys.executable,
            "-m",
            "provider_daemon",
            *arguments,
            "-c",
            str(self.directory / "provd.toml"),
        ]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Wrong(f"provd {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")

    # --- SLURM ---

    def queue(self) -> list[str]:
        """Returns the names of all SLURM jobs that have not ended."""
        return self.site.slurm.run("squeue", "-h", "-o", "%j").stdout.splitlines()

    async def running(self, job_id: str) -> None:
        """Waits until SLURM runs the job."""
        name = await self.name(job_id)

        def runs() -> bool:
            return name in self.site.slurm.run("squeue", "-h", "-t", "R", "-o", "%j").stdout.splitlines()

        await until(f"{job_id} runs", runs, limit=JOB_SECONDS, pause=0.5)

    async def records(self) -> list[Record]:
        """Returns all records of sacct."""
        argv = ("sacct", "-a", "-X", "-n", "-P", "-S", "now-1day", "-o", "JobID,JobName,ElapsedRaw")
        lines = (await asyncio.to_thread(self.site.slurm.run, *argv)).stdout.splitlines()
        return [
            Record(slurm_id, name, int(elapsed))
            for slurm_id, name, elapsed in (line.split("|") for line in lines)
        ]

    # --- the chain ---

    async def reported_ids(self, job_id: str) -> set[str]:
        """Returns the SLURM ids in the job's reports."""
        reports = [
            report
            for tx in await self.market.chain.reports_of(job_id)
            for report in evidence_check.reports(tx.tx)
        ]
        return {report.slurm_job_id for report in reports if report.job_id == job_id and report.slurm_job_id}

    async def billed_seconds(self, job_id: str) -> int:
        accounting = await self.market.chain.query.job_accounting(job_id)
        assert accounting is not None
        return accounting.usage_metrics.wall_clock_seconds

    # --- jobs ---

    async def submit(self, *jobs: DemoJob, customer: int = 0) -> list[str]:
        return await order(self.market.customers[customer], *jobs)

    async def name(self, job_id: str) -> str:
        record = await self.market.chain.query.job(job_id)
        assert record is not None
        return job_name(self.market.provider.signer, chain_job(record, CHAIN_ID).spec)

    async def ended(self, job_id: str, seconds: float = JOB_SECONDS) -> Ended:
        """Waits until the chain has the job's final state."""

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


def gpu_attack(command: str, *arguments: str) -> DemoJob:
    return DemoJob(
        "", 0, State.COMPLETED, None, command, arguments, queue="gpu", gpus=1, max_runtime_seconds=60
    )


@contextlib.asynccontextmanager
async def staged(directory: Path) -> AsyncIterator[Stage]:
    site = await asyncio.to_thread(RealSite, directory, {"AccountingStorageTRES": ""})
    try:
        market = await opened(directory, "published", customers=2)
        try:
            config = write_config(directory, site, market.secret, market.port)
            config.write_text(config.read_text() + _LAUNCHERS)
            daemon = Process("the daemon", ["run", "-c", str(config)], directory / "provd.log")
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
