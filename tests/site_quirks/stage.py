"""The site with its wrappers, three jobs with known states, and a scheduler's view of them over SSH."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.clock import SystemClock
from provider_daemon.job.snapshot import Phase, Snapshot
from provider_daemon.lab.site import processes
from provider_daemon.lab.site.site import Site
from provider_daemon.ports import Submission, Watch
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.scheduler import SlurmScheduler
from provider_daemon.slurm.script import Batch, render
from provider_daemon.slurm.ssh import SshTransport
from tests.expect import Wrong
from tests.waiting import until

WRAPPERS = Path(__file__).parent / "wrappers"
PATIENCE = 60.0  # seconds
BACKLOG_SECONDS = 20.0


@dataclass(slots=True)
class Stage:
    """The stage.

    `running` and `ended` are jobs of ours whose ids are known, `lost` is an ended one whose id is not,
    `absent` never existed.
    """

    site: Site
    bin: Path
    scheduler: SlurmScheduler
    running: str = ""
    ended: str = ""
    lost: str = ""
    absent: str = "ve-00000000ffff-JOB-9"
    ids: dict[str, str] = field(default_factory=dict)
    since: int = field(default_factory=lambda: int(time.time()) - 60)
    _saved: dict[Path, str] = field(default_factory=dict)

    # --- quirks ---

    def wrap(self, program: str, wrapper: str, *words: str) -> None:
        """Puts wrappers/`wrapper` in front of one of SLURM's programs, in the PATH of the login.

        `words` precede the caller's arguments.
        """
        text = (WRAPPERS / wrapper).read_bytes().replace(b"@PROGRAM@", f"/usr/bin/{program}".encode())
        for number, word in enumerate(words, 1):
            text = text.replace(b"@%d@" % number, word.encode())
        path = self.bin / program
        path.write_bytes(text)
        path.chmod(0o755)

    def configure(self, file: str, line: str) -> None:
        """Adds a line to a file in the site's etc/, until the end of the case.

        The caller restarts the daemons that read it.
        """
        path = self.site.layout.root / "etc" / file
        self._saved.setdefault(path, path.read_text())
        path.write_text(f"{path.read_text()}{line}\n")

    async def restart(self, *daemons: str) -> None:
        for daemon in daemons:
            await asyncio.to_thread(self.site.stop, daemon)
        for daemon in daemons:
            await asyncio.to_thread(self.site.start, daemon)

    @contextlib.asynccontextmanager
    async def restored(self) -> AsyncIterator[None]:
        """Wraps a case: removes its settings at its end."""
        since = self.since
        try:
            yield
        finally:
            self.since = since
            await self._restore()

    async def _restore(self) -> None:
        for path in self.bin.iterdir():
            path.unlink()
        changed = {path.name for path in self._saved}
        for path, text in self._saved.items():
            path.write_text(text)
        self._saved.clear()
        restarted = [
            daemon for daemon in ("slurmdbd", "slurmctld") if f"{daemon.replace('ctld', '')}.conf" in changed
        ]
        await self.restart(*restarted)
        await self.scheduler.close()
        self.scheduler = scheduler(self.site)

    # --- jobs ---

    def order(self, *argv: str) -> Submission:
        name = f"ve-{uuid.uuid4().hex[:12]}-JOB-1"
        directory = f"{self.site.work_root}/{name}"
        batch = Batch(
            name=name,
            partition="standard",
            account=self.site.account,
            qos="",
            nodes=1,
            cpus_per_node=1,
            memory_gb_per_node=1,
            gpus_per_node=0,
            gpu_type="",
            wall_seconds=900,
            directory=directory,
            working_directory="",
            environment=(),
            argv=argv,
        )
        return Submission(name, render(batch), directory)

    async def submit(self, *argv: str) -> str:
        """Submits a job to SLURM and returns its name."""
        order = self.order(*argv)
        (receipt,) = await self.scheduler.submit([order])
        if not receipt.slurm_id:
            raise Wrong(f"sbatch answered {receipt}")
        self.ids[order.name] = receipt.slurm_id
        return order.name

    async def look(self) -> Snapshot:
        known = {name: self.ids[name] for name in (self.running, self.ended)}
        names = frozenset({self.running, self.ended, self.lost, self.absent})
        return await self.scheduler.snapshot(
            Watch(names, known, frozenset({self.lost, self.absent}), self.since)
        )

    async def _look_without_backlog(self) -> Snapshot:
        """Polls until slurmctld owes slurmdbd no records.

        It does for a moment after either was restarted, or a node was changed: nothing is absent until then.
        """
        end = time.monotonic() + BACKLOG_SECONDS
        snapshot = await self.look()
        while not snapshot.complete_for(self.absent) and time.monotonic() < end:
            await asyncio.sleep(0.5)
            snapshot = await self.look()
        return snapshot

    async def truth(self) -> str:
        """Returns what a snapshot shows of the four names. Raises Wrong if it is not what SLURM has."""
        snapshot = await self._look_without_backlog()
        for name, phase in (
            (self.running, Phase.RUNNING),
            (self.ended, Phase.ENDED),
            (self.lost, Phase.ENDED),
        ):
            seen = [(each.slurm_id, each.phase) for each in snapshot.of(name)]
            if seen != [(self.ids[name], phase)]:
                raise Wrong(f"{name} is SLURM job {self.ids[name]}, {phase}; seen: {seen}")
        if snapshot.of(self.absent) or not snapshot.complete_for(self.absent):
            raise Wrong("a job that does not exist is not proven absent")
        nodes = await self.scheduler.nodes()
        if [node.host for node in nodes] != list(self.site.nodes):
            raise Wrong(f"{len(nodes)} nodes seen: {[node.host for node in nodes]}")
        return f"3 jobs under their ids, 1 proven absent, {len(nodes)} nodes"


def scheduler(site: Site) -> SlurmScheduler:
    return SlurmScheduler(SiteLogins(SshTransport(clock=SystemClock(), **site.ssh)), SystemClock(), "quirks")  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def staged(directory: Path) -> AsyncIterator[Stage]:
    """A site whose logins find the wrappers before SLURM's own programs."""
    site = Site.open(directory / "site")
    programs = directory / "bin"
    programs.mkdir()
    config = site.layout.root / "ssh" / "sshd_config"
    plain = f"SetEnv SLURM_CONF={site.layout.slurm_conf}"
    config.write_text(config.read_text().replace(plain, f"{plain} PATH={programs}:{processes.PATH}"))
    try:
        await asyncio.to_thread(site.up)
        stage = Stage(site, programs, scheduler(site))
        stage.running = await stage.submit("sleep", "900")
        stage.ended, stage.lost = await stage.submit("true"), await stage.submit("false")
        await until("the jobs are where they must be", lambda: _in_place(stage), limit=PATIENCE, pause=0.3)
        yield stage
        await stage.scheduler.close()
    finally:
        await asyncio.to_thread(site.down, purge=True)


async def _in_place(stage: Stage) -> bool:
    try:
        await stage.truth()
    except Wrong:
        return False
    return True
