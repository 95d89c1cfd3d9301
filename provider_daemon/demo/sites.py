"""The demo's site: a real one where SLURM is installed, else the simulated one."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from provider_daemon.errors import Transient
from provider_daemon.lab.simulated.site import SimulatedSite
from provider_daemon.lab.site.site import Site, missing_packages
from provider_daemon.slurm.commands import STATES

Accounting = dict[str, list[tuple[str, str]]]

_WINDOW = ("-S", "now-1day", "-E", "now+1day", "-s", STATES)
_SACCT = ("sacct", "-a", "-X", "-D", "-n", "-P", *_WINDOW, "-o", "JobName,State,ExitCode")
# sacct's name of a job whose end reached slurmdbd before its start; the start brings the name
UNNAMED = "allocation"
# seconds within which slurmctld sends the name: every 5 seconds, on a busy machine later
NAME_SECONDS = 60
POOL = 4  # Unix users: of two customers, and two that are free for `provd site audit`


class DemoSite(Protocol):
    """What the demo needs of a site. `real` and `version` are part of the verdict.

    `pool`: the Unix users of customers; none where all jobs run as one user.
    """

    real: bool
    version: str
    work_root: Path
    pool: tuple[str, ...]

    @property
    def ssh(self) -> dict[str, object]:
        """Returns host, port, user, key_file, known_hosts."""
        ...

    def accounting(self) -> Accounting:
        """Returns job name -> (state, exit code) of each SLURM job of that name in sacct.

        Raises Transient if sacct does not answer.
        """
        ...

    async def down(self) -> None: ...


class RealSite:
    real = True

    def __init__(self, directory: Path, settings: dict[str, str] | None = None, pool: int = 0) -> None:
        """Creates the site. `settings` are slurm.conf's and override the lab's own.

        `pool`: number of Unix users for customers, which only root can create.
        """
        self.slurm = Site.open(directory / "slurm", settings=settings, pool=pool)
        self.version = self.slurm.version
        self.work_root = self.slurm.layout.work_root
        self.pool = self.slurm.pool
        try:
            self.slurm.up()
        except BaseException:
            self.slurm.down()
            raise

    @property
    def ssh(self) -> dict[str, object]:
        """With a pool, `key_file` is the certificate authority's."""
        return {**self.slurm.ssh, **({"key_file": self.slurm.ca_key_file} if self.pool else {})}

    def accounting(self) -> Accounting:
        return sacct(self.slurm.env)

    async def down(self) -> None:
        await asyncio.to_thread(self.slurm.down, purge=bool(self.pool))


class SimulatedDemoSite:
    """A simulated site. It runs in the demo's process and ends with it."""

    real = False
    pool: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._site = SimulatedSite()
        self.version = f"{self._site.version} (simulated)"
        self.work_root = self._site.work_root

    async def up(self) -> None:
        await self._site.start()

    @property
    def ssh(self) -> dict[str, object]:
        return self._site.ssh

    def accounting(self) -> Accounting:
        return sacct(self._site.env)

    async def down(self) -> None:
        await self._site.stop()


async def choose(directory: Path, simulated: bool, say: Callable[[str], None], pool: int = 0) -> DemoSite:
    """Returns a real site, with a pool of Unix users, if SLURM is installed and `simulated` is not set."""
    missing = missing_packages()
    if simulated or missing:
        why = f"not installed: {' '.join(missing)}" if missing else "as asked for"
        say(f"SIMULATED site, no real SLURM ({why})")
        made = SimulatedDemoSite()
        await made.up()
        return made
    site = await _bring_up(directory, pool)
    say(f"SLURM {site.version} is up: a private site of 4 nodes below {directory}")
    if site.pool:
        say(f"each customer's jobs run as a Unix user of the pool: {', '.join(site.pool)}")
    return site


async def _bring_up(directory: Path, pool: int) -> RealSite:
    """Starts the site in a thread.

    A thread cannot be cancelled: on a cancellation the start is awaited and the site is stopped.
    """
    coming = asyncio.ensure_future(asyncio.to_thread(RealSite, directory, pool=pool))
    try:
        return await asyncio.shield(coming)
    except asyncio.CancelledError:
        await (await coming).down()
        raise


def sacct(env: Mapping[str, str]) -> Accounting:
    """Returns sacct's records once each has its name.

    A job that is not among them then does not exist.
    """
    until = time.monotonic() + NAME_SECONDS
    while UNNAMED in (found := _records(env)):
        if time.monotonic() > until:
            raise Transient(f"sacct has the end of a job, and after {NAME_SECONDS} s not its name")
        time.sleep(0.5)
    return found


def _records(env: Mapping[str, str]) -> Accounting:
    found: Accounting = {}
    done = subprocess.run(_SACCT, env=dict(env), capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise Transient(f"sacct failed ({done.returncode}): {' '.join(done.stderr.split())[:300]}")
    for line in done.stdout.splitlines():
        name, state, code = line.rsplit("|", 2)
        found.setdefault(name, []).append((state, code))
    return found
