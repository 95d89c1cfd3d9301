"""The simulated site, with the attributes of the real one. It starts and stops within an event loop."""

import asyncio
import contextlib
import os
import pwd
import shutil
import time

from provider_daemon.lab.places import temporary
from provider_daemon.lab.simulated.calls import serve, write_programs
from provider_daemon.lab.simulated.cluster import SimulatedCluster
from provider_daemon.lab.simulated.execution import Execution
from provider_daemon.lab.simulated.model import Faults, SimulatedNode, SimulatedPartition
from provider_daemon.lab.simulated.programs import Call, Said, answer
from provider_daemon.lab.simulated.ssh import SshServer

VERSION = "22.05.8"  # the version whose output is used where versions differ
TICK_SECONDS = 0.1
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class SimulatedSite:
    """The simulated site: `async with SimulatedSite() as site`.

    All its files are in a new directory, which is removed with the site. `cluster` and `faults` may be
    changed at any time; poke() applies the change at once.
    """

    def __init__(self, *, nodes: int = 4, pool: int = 0) -> None:
        """`pool`: the number of customers' users. They are mere names: all programs run as this process."""
        me = pwd.getpwuid(os.getuid())
        names = [f"n{number}" for number in range(1, nodes + 1)]
        self.cluster = SimulatedCluster(
            nodes={name: SimulatedNode(name) for name in names},
            partitions={
                "standard": SimulatedPartition("standard", tuple(names), 7 * 24 * 60, default=True),
                "gpu": SimulatedPartition("gpu", tuple(names), 24 * 60),
            },
            account="provd",
            user=me.pw_name,
            uid=me.pw_uid,
            version=VERSION,
            pool=tuple(f"provd-c{number:03}" for number in range(1, pool + 1)),
        )
        self.directory = temporary("provd-sim.")
        self.work_root = self.directory / "work"
        self.env = {
            "PATH": f"{self.directory}/bin:{_SYSTEM_PATH}",
            "HOME": str(self.directory / "home"),
            "USER": me.pw_name,
            "LOGNAME": me.pw_name,
            "SHELL": "/bin/sh",
        }
        self.sshd = SshServer(self.directory / "ssh", me.pw_name, self.env)
        self._poked = asyncio.Event()
        self._execution = Execution(self.cluster, self.directory / "spool", time.time, self.poke)
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None

    # --- what a client needs ---

    @property
    def ssh(self) -> dict[str, object]:
        """Returns host, port, user, key_file, known_hosts."""
        return self.sshd.ssh

    @property
    def ca_key_file(self) -> str:
        """Returns the private key of the certificate authority that the site trusts."""
        return self.sshd.ca_key_file

    @property
    def pool(self) -> tuple[str, ...]:
        """Returns the users of customers."""
        return self.cluster.pool

    @property
    def faults(self) -> Faults:
        return self.cluster.faults

    @property
    def version(self) -> str:
        return self.cluster.version

    @property
    def account(self) -> str:
        return self.cluster.account

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(self.cluster.nodes)

    @property
    def partitions(self) -> tuple[str, ...]:
        return tuple(self.cluster.partitions)

    # --- life ---

    async def __aenter__(self) -> "SimulatedSite":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        try:
            for name in ("home", "spool", "work", *(f"work/{user}" for user in self.pool)):
                (self.directory / name).mkdir()
            socket = self.directory / "slurm.sock"
            write_programs(self.directory / "bin", socket)
            self._server = await serve(socket, self._answer)
            await self.sshd.start()
            self._ticking = asyncio.create_task(self._tick_on())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends every job and every command and removes the directory."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        await self.sshd.stop()
        await self._execution.stop()
        if self._server is not None:
            self._server.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def poke(self) -> None:
        """Applies changes now rather than at the next tick."""
        self._poked.set()

    def tick(self) -> None:
        """Runs one cycle of the controller: time limits, starts, ends, and records for slurmdbd."""
        now, faults = time.time(), self.faults
        if not faults.slurmctld_down:
            self.cluster.end_overdue(now)
            self._execution.follow()
            self.cluster.forget(now)
        self.cluster.database.receive(now, down=faults.slurmdbd_down, lag=faults.accounting_lag)

    async def _tick_on(self) -> None:
        while True:
            self._poked.clear()
            self.tick()
            # Not asyncio.wait_for: before Python 3.12 it swallows a cancellation that comes together with the
            # poke.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._poked.wait()

    async def _answer(self, call: Call) -> Said | None:
        await asyncio.sleep(self.faults.answer_delay)
        said = answer(self.cluster, call, time.time())
        self.tick()
        if call.program == "sbatch":
            await asyncio.sleep(self.faults.sbatch_delay)
        return None if call.program in self.faults.cut else said
