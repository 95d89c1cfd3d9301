"""One interface to both kinds of site, so that every test of the contract runs on both."""

import asyncio
import contextlib
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from provider_daemon.clock import SystemClock
from provider_daemon.job.maintenance import Reservation
from provider_daemon.job.site_root import site_root
from provider_daemon.job.snapshot import Sighting, Snapshot
from provider_daemon.lab.simulated.model import SimulatedReservation
from provider_daemon.lab.simulated.site import SimulatedSite
from provider_daemon.lab.site.site import Site
from provider_daemon.ports import Submission, SubmissionResult, Watch
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.script import Batch, render
from provider_daemon.slurm.site_connections import SiteConnections
from provider_daemon.slurm.ssh import SshTransport
from provider_daemon.slurm.transport import Transport
from tests.fakes.scheduler import known

PATIENCE = 60.0  # seconds; a real job takes about two


def unique() -> str:
    return f"ve-{uuid.uuid4().hex[:12]}"


@dataclass
class Place:
    """A scheduler on a site, and what a test needs besides."""

    site: Site | SimulatedSite
    scheduler: SlurmScheduler
    work_root: Path
    user: str = ""  # whose jobs the test's are: a pool user, or the main login's
    since: int = field(default_factory=lambda: int(time.time()) - 5)

    @property
    def root(self) -> Path:
        """The parent of the job directories."""
        return Path(site_root(str(self.work_root), self.user))

    def order(self, *argv: str, name: str = "", **changes: Any) -> Submission:
        """Returns an order for `argv` as the daemon would write it; `changes` are fields of Batch."""
        name = name or unique()
        directory = f"{self.root}/{name}.{token_hex(4)}"
        fields: dict[str, Any] = {
            "partition": "standard", "account": "provd", "qos": "", "nodes": 1, "cpus_per_node": 1,
            "memory_gb_per_node": 1,
            "gpus_per_node": 0, "gpu_type": "", "wall_seconds": 60, "working_directory": "",
            "environment": (),
        }  # fmt: skip
        batch = Batch(name=name, directory=directory, argv=argv, **{**fields, **changes})
        return Submission(name, render(batch), directory, user=self.user)

    def output(self, order: Submission) -> str:
        return Path(order.directory, "output.txt").read_text()

    async def submit(self, *orders: Submission) -> tuple[SubmissionResult, ...]:
        return await self.scheduler.submit(orders)

    async def look(
        self,
        *names: str,
        ids: dict[str, str] | None = None,
        doubtful: Sequence[str] = (),
        submitted: dict[str, int] | None = None,
        intents: Sequence[str] = (),
    ) -> Snapshot:
        watch = Watch(
            frozenset(names),
            ids or {},
            frozenset(doubtful),
            self.since,
            submitted or {},
            frozenset(intents),
            dict.fromkeys(names, self.user),
        )
        return await self.scheduler.snapshot(watch)

    def known(self, ids: dict[str, str], submitted: dict[str, int] | None = None) -> Watch:
        """The test's jobs, whose SLURM ids are known."""
        return replace(known(ids, submitted), users=dict.fromkeys(ids, self.user))

    async def until(self, there: Callable[[], bool]) -> None:
        """Waits until the condition holds. A file that the condition reads may not exist yet."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(FileNotFoundError):
                    if there():
                        return
                await asyncio.sleep(0.2)

    async def until_phase(
        self,
        name: str,
        *phases: str,
        ids: dict[str, str] | None = None,
        submitted: dict[str, int] | None = None,
    ) -> Sighting:
        """Waits until the job reaches the phase and returns it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for seen in (await self.look(name, ids=ids, submitted=submitted)).of(name):
                    if seen.phase in phases:
                        return seen
                await asyncio.sleep(0.2)

    async def run(self, order: Submission) -> Sighting:
        """Submits the order and waits for its final record."""
        (receipt,) = await self.submit(order)
        assert receipt.slurm_id, receipt
        return await self.until_phase(order.name, "ended")

    async def over(self, order: Submission) -> None:
        """Submits the order and waits until it has run. Its record may arrive some seconds later."""
        (receipt,) = await self.submit(order)
        assert receipt.slurm_id, receipt
        await self.until_phase(order.name, "ending", "ended")

    async def stop(self, daemon: str) -> None:
        if self.user and isinstance(self.site, Site):
            pytest.skip("what happens without a daemon does not depend on the jobs' user")
        if isinstance(self.site, SimulatedSite):
            setattr(self.site.faults, f"{daemon}_down", True)
        else:
            await asyncio.to_thread(self.site.stop, daemon)

    async def start(self, daemon: str) -> None:
        if isinstance(self.site, SimulatedSite):
            setattr(self.site.faults, f"{daemon}_down", False)
            self.site.poke()
        else:
            await asyncio.to_thread(self.site.start, daemon)

    async def reserve(self, wanted: Reservation) -> None:
        """Reserves nodes as the site's administrator."""
        flags = ["MAINT"] if wanted.maintenance else []
        if isinstance(self.site, SimulatedSite):
            self.site.cluster.reservations.append(
                SimulatedReservation(
                    wanted.name,
                    wanted.starts_at,
                    wanted.ends_at,
                    wanted.nodes,
                    ",".join([*flags, "SPEC_NODES"]),
                )
            )
            return
        await self._scontrol(
            "create",
            "reservation",
            f"reservationname={wanted.name}",
            f"starttime=uts{wanted.starts_at}",
            f"endtime=uts{wanted.ends_at}",
            f"nodes={','.join(self.site.nodes[: wanted.nodes])}",
            "users=root",
            *(f"flags={flag}" for flag in flags),
        )

    async def unreserve(self, *names: str) -> None:
        if isinstance(self.site, SimulatedSite):
            self.site.cluster.reservations.clear()
            return
        for name in names:
            await self._scontrol("delete", f"reservation={name}")

    async def _scontrol(self, *words: str) -> None:
        assert isinstance(self.site, Site)
        environment = self.site.env
        await asyncio.to_thread(subprocess.run, ["scontrol", *words], env=environment, check=True)


def transport(site: Site | SimulatedSite, way: str) -> Transport:
    if way == "local":
        return LocalTransport(site.env)
    return SshTransport(clock=SystemClock(), **site.ssh)  # type: ignore[arg-type]


def logins(site: Site | SimulatedSite, way: str) -> SiteLogins[Transport]:
    """With "pool", every login is by certificate, and jobs are submitted as their users."""
    if way != "pool":
        return SiteLogins(transport(site, way))
    shared, clock = SiteConnections(), SystemClock()

    def made(user: object) -> Transport:
        options: dict[str, Any] = {**site.ssh, "key_file": site.ca_key_file, "user": user}
        return SshTransport(clock=clock, site=shared, certificate_seconds=600, **options)

    return SiteLogins(made(site.ssh["user"]), made)
