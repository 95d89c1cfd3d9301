"""A package's life with running jobs: upgraded, downgraded, removed, installed again, purged.

Each job runs once and is reported once.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

from provider_daemon import __version__
from provider_daemon.demo.jobs import DemoJob, shell
from provider_daemon.job.state import State
from tests.expect import Wrong, same
from tests.packages import newer
from tests.packages.debian import Debian
from tests.packages.managers import Apt, Manager
from tests.packages.service import UNIT, Service
from tests.packages.shop import CONFIG, LEDGER, WAIT_SECONDS, Shop, shop
from tests.waiting import until

OPEN = "open jobs: 1;"
KEPT = "is kept: its ledger is the proof"
TRANSFERS = "transfers.sqlite"
MOVER = "provd-mover.service"
REFUSED = "was written by a newer provd"


def waits_for(go: Path, title: str) -> DemoJob:
    return DemoJob(title, 0, State.COMPLETED, 0, arguments=shell(f"until [ -e {go} ]; do sleep 0.1; done"))


async def play(
    debian: Debian,
    manager: Manager,
    package: Path,
    next_package: Path,
    directory: Path,
    step: Callable[..., None],
) -> None:
    """Runs all steps. `package` is installed, and no daemon runs."""
    async with shop(debian, directory) as open_now, Service(debian, directory / "provd.log") as service:
        course = Course(debian, manager, open_now, service, package, next_package)
        await course.before()
        step("jobs in flight", f"{len(open_now.jobs)}")
        step("upgrade with jobs in flight", await course.upgrade())
        step("a step back", await course.back())
        step("remove", await course.remove())
        step("install again", await course.again())
        if isinstance(manager, Apt):
            step("purge", await course.purge())


class Course:
    def __init__(
        self,
        debian: Debian,
        manager: Manager,
        shop: Shop,
        service: Service,
        package: Path,
        next_package: Path,
    ) -> None:
        self._debian = debian
        self._manager = manager
        self._shop = shop
        self._service = service
        self._package = package
        self._next_package = next_package
        self._both, self._between, self._away = (
            shop.site.work_root / name for name in ("both", "between", "away")
        )
        self._ids: dict[str, str] = {}

    # --- steps ---

    async def before(self) -> None:
        """Submits jobs: some have ended and some run when the upgrade starts."""
        if not await self._service.start():
            raise Wrong("the configured daemon does not start:\n" + "\n".join(self._service.lines()[-5:]))
        over = await self._shop.order(
            DemoJob("over before", 0, State.COMPLETED, 0, "echo", ("over",)),
            DemoJob("failed before", 0, State.FAILED, 3, arguments=shell("exit 3")),
        )
        flying = await self._shop.order(
            waits_for(self._both, "runs over the upgrade"),
            waits_for(self._between, "ends while no daemon runs"),
            DemoJob(
                "cancelled while no daemon runs",
                0,
                State.CANCELLED,
                None,
                arguments=shell("sleep 600"),
                cancelled_by_customer=True,
            ),
        )
        await self._shop.comes_to(State.COMPLETED, over[0])
        await self._shop.comes_to(State.FAILED, over[1])
        await self._shop.comes_to(State.RUNNING, *flying)
        self._ids["cancelled"] = flying[2]

    async def upgrade(self) -> str:
        """Upgrades: the scripts stop the old daemon and start the new one, which migrates the ledger.

        Jobs start and end in between.
        """
        self._service.meanwhile = self._while_nobody_serves
        self._service.others = {MOVER}
        self._service.asked.clear()
        await asyncio.to_thread(self._manager.install, self._next_package)
        same("running after the upgrade", self._service.running, True)
        same(
            "stopped and started",
            [call for call in self._service.asked if call.split()[0] in ("stop", "start")],
            [f"stop {MOVER}", f"stop {UNIT}", f"start {UNIT}", f"start {MOVER}"],
        )
        same(
            "the configuration was touched",
            f"{self._debian.root}" in (self._debian.root / CONFIG).read_text(),
            False,
        )
        started = [line for line in self._service.lines() if '"provd_started"' in line]
        same(
            "versions started",
            [re.findall(r'"version": ?"([^"]+)"', line)[0] for line in started],
            [__version__, newer.VERSION],
        )
        if not any('"ledger_migrated"' in line for line in self._service.lines()):
            raise Wrong("the ledger was not brought forward")
        for user in ("provd-gateway", "provd-mover"):
            shown = await asyncio.to_thread(
                self._debian.run, "provd", "jobs", "-o", "json", user=user, group="provd"
            )
            same(f"{user} reads the ledger", '"job_id"' in shown, True)
        self._both.touch()
        await self._shop.all_over()
        return await self._settled()

    async def _while_nobody_serves(self) -> None:
        self._between.touch()
        await self._shop.cancel(self._ids["cancelled"])
        await self._shop.order(
            DemoJob("ordered while no daemon runs", 0, State.COMPLETED, 0, "echo", ("late",))
        )

    async def back(self) -> str:
        """Downgrades: the older daemon refuses the newer ledger and resumes from its own copy.

        The refusal is one line. No job runs twice.
        """
        await asyncio.to_thread(self._manager.step_back, self._package)
        same("running on a newer ledger", self._service.running, False)
        if REFUSED not in self._service.lines()[-1]:
            raise Wrong(f"the older daemon says {self._service.lines()[-1]!r}")
        ledger = self._debian.root / LEDGER
        (kept,) = ledger.parent.glob("ledger.sqlite.v*.bak")
        for part in ledger.parent.glob("ledger.sqlite-*"):
            part.unlink()
        kept.replace(ledger)
        same("serves on the copy", await self._service.start(), True)
        await self._shop.order(
            DemoJob("ordered after the step back", 0, State.COMPLETED, 0, "echo", ("back",))
        )
        await self._shop.all_over()
        return await self._settled()

    async def remove(self) -> str:
        """Removes the package with a running job, which a line counts.

        Configuration and ledger stay; the program and the daemon are removed.
        """
        await self._shop.comes_to(
            State.RUNNING, *await self._shop.order(waits_for(self._away, "ends while no provd is installed"))
        )
        told = await asyncio.to_thread(self._manager.remove)
        same("running", (self._service.running, self._service.others), (False, set()))
        root = self._debian.root
        paths = (CONFIG + self._manager.kept_as, LEDGER, "usr/lib/provd", "usr/bin/provd")
        same("left", [(root / path).exists() for path in paths], [True, True, False, False])
        (line,) = [line for line in told.splitlines() if OPEN in line]
        return line

    async def again(self) -> str:
        """Installs again: once started, the daemon resumes with the ledger."""
        self._away.touch()
        await asyncio.to_thread(self._manager.install, self._package)
        config = self._debian.root / CONFIG
        config.with_name(config.name + self._manager.kept_as).replace(config)
        same("started by itself", (self._service.running, self._service.others), (False, set()))
        await self._service.start()
        await self._shop.order(DemoJob("ordered after the return", 0, State.COMPLETED, 0, "echo", ("again",)))
        await self._shop.all_over()
        return await self._settled()

    async def purge(self) -> str:
        """Purges: the configuration and copies of customers' data are removed, databases and keys stay.

        A line states that the ledger stays, and another one that the mover's database does.
        """
        lib = self._debian.root / "var/lib"
        for copies in ("provd-gateway/uploads", "provd-mover/spool"):
            (lib / copies).mkdir()
            (lib / copies / "part").touch()
        (lib / f"provd-mover/{TRANSFERS}").touch()
        told = await asyncio.to_thread(self._debian.apt, "purge", "provd")
        root = self._debian.root
        same(
            "left",
            [(root / path).exists() for path in (CONFIG, LEDGER, "etc/provd/provider.armor")],
            [False, True, True],
        )
        kept = [TRANSFERS, f"{TRANSFERS}.lock"]  # the lock is from the mover that was started once
        same("left of copies", sorted(path.name for path in (lib / "provd-mover").iterdir()), kept)
        same("the gateway's directory", (lib / "provd-gateway").exists(), False)
        (line,) = [line for line in told.splitlines() if KEPT in line]
        (_,) = [line for line in told.splitlines() if "/var/lib/provd-mover is kept" in line]
        return line

    # --- what they share ---

    async def _settled(self) -> str:
        """Waits until the daemon, too, has no open job, and judges the jobs."""

        async def closed() -> bool:
            shown = await asyncio.to_thread(
                self._debian.run, "provd", "jobs", "--show", "open", "-o", "json", user="provd"
            )
            return '"job_id"' not in shown

        await until("no job is open in the ledger", closed, WAIT_SECONDS, pause=0.5)
        return await self._shop.judged()
