"""The demo's environment, with SSH behind a proxy and a source with faults."""

import asyncio
import contextlib
import hashlib
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.chain.records import chain_job
from provider_daemon.client.api import POLL_SECONDS, Client
from provider_daemon.client.meter import Meter
from provider_daemon.client.outcome import Ended
from provider_daemon.demo.environment import Environment, build
from provider_daemon.demo.jobs import IMAGE
from provider_daemon.demo.market import CHAIN_ID
from provider_daemon.demo.processes import Process
from provider_daemon.job.state import State
from tests.expect import Wrong, same
from tests.faults.data_source import Source
from tests.faults.house import FarSite
from tests.faults.proxy import Proxy
from tests.waiting import until

WAIT_SECONDS = 90
PATIENCE = 10.0  # of a client whose gateway is killed: the longest wait before its second attempt
STORE = "far"  # the source's name as an S3 endpoint
DISK = "16m"  # of the mover's database


@dataclass(slots=True)
class Stage:
    """`disk` holds the mover's database; None where nothing can be mounted."""

    made: Environment
    ssh: Proxy
    source: Source
    disk: Path | None

    def customer(self, number: int = 0, meter: Meter | None = None) -> Client:
        market = self.made.market
        return Client(
            market.customers[number].signer,
            nodes=[f"127.0.0.1:{market.port}"],
            chain_id=CHAIN_ID,
            gateway=self.made.url,
            meter=meter,
            poll_seconds=PATIENCE if meter else POLL_SECONDS,
        )

    def input(self, name: str, content: bytes, size: int | None = None) -> dict[str, object]:
        """Returns the declaration of an input from the source."""
        declared = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content) if size is None else size,
        }
        return {"url": self.source.at(name), "name": "in.dat", **declared}

    @contextlib.asynccontextmanager
    async def submitted(
        self, run: str, *inputs: dict[str, object], **more: object
    ) -> AsyncIterator["Submitted"]:
        """Submits a job of the first customer."""
        async with self.customer() as asked:
            job = {"image": IMAGE, "run": run, "max_runtime": "10m", "inputs": list(inputs), **more}
            yield Submitted(asked, await asked.submit(job))

    def gate(self, name: str) -> Path:
        """Returns a file at the site for which a job can wait."""
        return self.made.site.work_root / name

    def restart(self, process: Process) -> None:
        """Kills a process, as a power cut would, and starts it again."""
        process.kill()
        process.start()

    async def ended_in_slurm(self, job_id: str) -> None:
        """Waits until sacct has the end of the chain's job."""
        record = await self.made.market.chain.query.job(job_id)
        assert record is not None
        name = self.made.market.slurm_name(chain_job(record, CHAIN_ID).spec)

        def ended() -> bool:
            return any(state == "COMPLETED" for state, _ in self.made.site.accounting().get(name, []))

        await until(f"{job_id} ends in SLURM", ended, limit=WAIT_SECONDS, pause=0.5)

    async def logged(self, process: Process, words: str, since: int = 0) -> str:
        """Waits for a line behind byte `since` of the process's log."""

        def line() -> str:
            text = process.log.read_bytes()[since:].decode(errors="replace")
            return next((each for each in text.splitlines() if words in each), "")

        await until(f"{process.name} logs {words}", line, limit=WAIT_SECONDS, pause=0.2)
        return line()

    async def close(self) -> None:
        await self.made.close()
        await self.source.stop()
        await self.ssh.stop()
        if self.disk is not None:
            subprocess.run(["umount", "-l", str(self.disk)], check=False)


@dataclass(frozen=True, slots=True)
class Submitted:
    client: Client
    job_id: str

    async def running(self) -> None:
        """Waits until the job runs."""

        async def runs() -> bool:
            record = await self.client.chain.job(self.job_id)
            return record is not None and record.state is State.RUNNING

        await until(f"{self.job_id} runs", runs, limit=WAIT_SECONDS, pause=0.3)

    async def ended(self) -> Ended:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.client.wait(self.job_id)

    async def completed(self, directory: Path) -> None:
        """Waits for the job's end, and for its results on disk, complete and proven. Raises Wrong."""
        ended = await self.ended()
        same("the job's end", (ended.state, ended.message), (State.COMPLETED, ended.message))
        fetched = await self.client.fetch(self.job_id, directory / self.job_id, patience=WAIT_SECONDS)
        same("what is wrong with the results", fetched.problem, "")


@dataclass(slots=True)
class Watching:
    """A meter that calls `act` once, when a transfer has passed `at` bytes."""

    at: int
    act: Callable[[], None]
    done: list[int] = field(default_factory=list)

    @contextmanager
    def transfer(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        def show(done: int) -> None:
            if done >= self.at and not self.done:
                self.done.append(done)
                self.act()

        yield show


@contextlib.asynccontextmanager
async def staged(directory: Path) -> AsyncIterator[Stage]:
    site = await asyncio.to_thread(FarSite, directory)
    ssh = Proxy(int(str(site.slurm.ssh["port"])))
    source = Source()
    stack = contextlib.AsyncExitStack()
    async with stack:
        stack.push_async_callback(site.down)
        site.proxy_port = await ssh.start()
        await source.start()
        made = await build(directory, site, "published", lambda _: None)
        stage = Stage(made, ssh, source, _mounted(directory / "disk"))
        stack.pop_all()
    try:
        await _reconfigured(stage)
        yield stage
    finally:
        await stage.close()


async def _reconfigured(stage: Stage) -> None:
    """Lets inputs come from the source, and gives the mover's database a small disk."""
    mover, config = stage.made.mover, stage.made.config
    text = config.read_text()
    text = text.replace('allowed_hosts = ["127.0.0.1"]', f'allowed_hosts = ["127.0.0.1:{stage.source.port}"]')
    text = text.replace("s3_endpoints = { ", f's3_endpoints = {{ {STORE} = "{stage.source.url}", ')
    if stage.disk is not None:
        text = text.replace(f"{stage.made.directory}/transfers.sqlite", f"{stage.disk}/transfers.sqlite")
    config.write_text(text)
    for process in (mover, stage.made.gateway, stage.made.daemon):
        await asyncio.to_thread(process.stop)
    for process in (stage.made.daemon, mover, stage.made.gateway):
        process.log.unlink()
        process.start()
    await asyncio.to_thread(mover.wait_for, "mover_started")
    await asyncio.to_thread(stage.made.gateway.wait_for, "gateway_started")


def _mounted(disk: Path) -> Path | None:
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(["mount", *options], check=False, capture_output=True).returncode:
        return None
    return disk


def fill(disk: Path) -> Path:
    """Writes until the disk is full, and returns the file."""
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**16))
    if not ballast.exists():
        raise Wrong("the disk could not be filled")
    return ballast
