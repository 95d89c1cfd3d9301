"""The probe jobs at the site: submitting, watching, reading and removing them."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from secrets import token_hex

from provider_daemon.errors import ProvdError, Refused, Transient
from provider_daemon.job.claim import CLAIMS
from provider_daemon.ports import Clock, Submission
from provider_daemon.site_audit.jobs import NAME, Probe
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.site_files.values import NotThere
from provider_daemon.slurm import commands, lease_files, parse, shown_job
from provider_daemon.slurm.commands import Command
from provider_daemon.slurm.connect import SiteTransport
from provider_daemon.slurm.inspect import Inspection
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.run import ask
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.shown_job import ShownJob

OUTPUT, ALIVE = "output.txt", "audit-alive"
MAX_READ = 512 * 1024
CLEANING_SECONDS = 60.0


class AuditSite:
    """`started` are the jobs so far, and `expected` names of jobs that these may submit: `clean` cancels and
    removes them. Methods raise as the scheduler's."""

    def __init__(self, logins: SiteLogins[SiteTransport], clock: Clock) -> None:
        self._logins = logins
        self._scheduler = SlurmScheduler(logins, clock)
        self._files: dict[str, SiteFiles] = {}
        self.inspection = Inspection(logins.main)
        self.started: list[Probe] = []
        self.expected: list[str] = []
        self._leases: dict[str, str] = {}  # user -> work_root
        self._holder = f"site-audit {token_hex(8)}"
        self._slurm_ids: dict[str, str] = {}

    async def close(self) -> None:
        for files in self._files.values():
            await files.close()
        await self._logins.close()

    def _files_of(self, probe: Probe) -> SiteFiles:
        """Returns the files as the job's user sees them."""
        if probe.user not in self._files:
            self._files[probe.user] = SiteFiles(self._logins.as_user(probe.user))
        return self._files[probe.user]

    async def lease(self, work_root: str, users: Sequence[str]) -> tuple[str, str]:
        """Takes two users of the pool that serve nobody, by lease files as the daemon's, until `clean`.

        Raises Refused if fewer than two are free.
        """
        held = await self._lease_files(lease_files.read(work_root))
        free = [user for user in users if user not in held][-2:]
        if len(free) == 2:
            self._leases = dict.fromkeys(free, work_root)
            held = await self._lease_files(lease_files.claim(work_root, dict.fromkeys(free, self._holder)))
        if len(free) < 2 or any(held.get(user) != self._holder for user in free):
            raise Refused(
                "fewer than two users of the pool are free: add users, or repeat the audit when two are free"
            )
        return free[0], free[1]

    async def _lease_files(self, command: Command) -> Mapping[str, str]:
        return lease_files.parse_leases(await ask(self._logins.main, "the lease files", command))

    def probe(self, root: str, user: str = "") -> Probe:
        """Returns a new job's name and directory."""
        name = f"{NAME}-{token_hex(8)}"
        return Probe(name, f"{root}/{name}.{token_hex(4)}", token_hex(16), user)

    async def submit(self, probe: Probe, order: Submission) -> str:
        """Returns the SLURM id. Raises Transient if SLURM did not accept the job."""
        self.started.append(probe)
        (result,) = await self._scheduler.submit([order])
        if not result.slurm_id:
            raise Transient(
                f"SLURM did not accept the probe job: {result.refusal or result.deferral or result.unknown}"
            )
        self._slurm_ids[probe.name] = result.slurm_id
        return result.slurm_id

    async def job(self, slurm_id: str) -> ShownJob:
        text = await ask(self._logins.main, "scontrol show job", commands.show_job(slurm_id))
        return shown_job.parse(text, slurm_id)

    async def named(self, name: str, user: str) -> list[str]:
        """Returns the SLURM ids of the user's jobs with that name that have not ended."""
        mark, login = f"|{token_hex(6)}|", self._logins.as_user(user)
        rows = parse.queue(await ask(login, "squeue", commands.queue(mark)), mark).rows
        return [row.slurm_id for row in rows if row.name == name and row.state not in shown_job.ENDED]

    async def output(self, probe: Probe) -> bytes:
        """Returns what the job has printed so far, at most MAX_READ bytes."""
        return await self._read(probe, OUTPUT)

    async def heartbeats(self, probe: Probe) -> int | None:
        """Returns how often the process that was left behind has written; None if it never started."""
        found = await self._read(probe, ALIVE)
        return len(found) or None

    async def _read(self, probe: Probe, name: str) -> bytes:
        try:
            async with self._files_of(probe).read(probe.directory, name, length=MAX_READ) as stream:
                return b"".join([chunk async for chunk in stream.chunks])
        except NotThere:
            return b""

    async def addresses(self, hosts: Sequence[str]) -> tuple[str, Mapping[str, str]]:
        """Returns (the login's home, host name -> IPv4 address) as the login node resolves them."""
        payload = "".join(f"{host}\n" for host in sorted(hosts)).encode()
        command = Command(commands.ADDRESSES, payload, commands.INSPECT_SECONDS)
        home, *lines = (await ask(self._logins.main, "getent", command)).split("\n")
        pairs = [line.split(" ", 1) for line in lines if " " in line]
        return home, {host: address for host, address in pairs if address}

    async def cancel(self, slurm_ids: Sequence[str]) -> None:
        if slurm_ids:
            await ask(self._logins.main, "scancel", commands.cancel(slurm_ids), query=False)

    async def clean(self) -> list[str]:
        """Cancels all jobs and removes their directories; returns what could not be removed, and why."""
        failures = list[str]()
        try:
            async with asyncio.timeout(CLEANING_SECONDS):
                failures += await self._cancel_all()
                for probe in self.started:
                    failures += await self._remove(probe)
                for user, work_root in self._leases.items():
                    failures += await self._give_back(user, work_root)
        except TimeoutError:
            failures.append(f"jobs and directories named {NAME}-*: no end after {CLEANING_SECONDS:g} s")
        return failures

    async def _cancel_all(self) -> list[str]:
        try:
            found = list(self._slurm_ids.values())
            for user in dict.fromkeys(probe.user for probe in self.started):
                for name in (*self.expected, *(probe.name for probe in self.started)):
                    found += await self.named(name, user)
            await self.cancel(list(dict.fromkeys(found)))
            for slurm_id in self._slurm_ids.values():
                await self._ended(slurm_id)
        except ProvdError as error:
            return [f"SLURM jobs named {NAME}-*: {error}"]
        return []

    async def _ended(self, slurm_id: str) -> None:
        """Waits until nothing of the job writes into its directory any more."""
        while True:
            with contextlib.suppress(Transient):
                if not (await self.job(slurm_id)).ended:
                    await asyncio.sleep(0.5)
                    continue
            return

    async def _give_back(self, user: str, work_root: str) -> list[str]:
        command = lease_files.end(work_root, user, self._holder, 0)
        try:
            lease_files.parse_ended(await ask(self._logins.main, "the lease files", command))
        except ProvdError as error:
            return [f"{work_root}/{lease_files.DIRECTORY}/{user}: {error}"]
        return []

    async def _remove(self, probe: Probe) -> list[str]:
        root, _, name = probe.directory.rpartition("/")
        try:
            await self._files_of(probe).remove(f"{root}/", name)
            await self._files_of(probe).remove(f"{root}/", f"{CLAIMS}/{probe.name}")
        except ProvdError as error:
            return [f"{probe.directory}: {error}"]
        return []
