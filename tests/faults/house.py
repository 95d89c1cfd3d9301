"""A real SLURM site, a devnet, and the real daemon, which reaches both through proxies only.

All files are below one directory.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from provider_daemon.chain.client import GrpcChain
from provider_daemon.clock import SystemClock
from provider_daemon.demo.accounts import Account, new_key
from provider_daemon.demo.environment import write_config
from provider_daemon.demo.market import CHAIN_ID, open_shop, start_devnet
from provider_daemon.demo.processes import Process
from provider_daemon.demo.sites import RealSite
from tests.faults.proxy import Proxy
from tests.faults.witness import Witness
from tests.waiting import until

ENDPOINTS = 3
HEARTBEAT_SECONDS = 10
LEDGER_DISK = "8m"
PATIENT = {"SlurmdTimeout": "300"}  # SLURM's own default: its nodes outlive a munged that is down for a while
RESTART_SECONDS = 1.0  # as systemd's RestartSec
INTAKE, ADVANCE, HEARTBEAT = "intake", "advance:demo", "heartbeat:demo"
HALT = signal.SIGUSR1  # the devnet makes no blocks after it


class FarSite(RealSite):
    """The site, whose sshd is reached at another port."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, PATIENT)
        self.proxy_port = 0

    @property
    def ssh(self) -> dict[str, object]:
        direct = super().ssh
        known = Path(str(direct["known_hosts"]))
        far = known.with_name("known_hosts_far")
        far.write_text(known.read_text().replace(f"]:{direct['port']} ", f"]:{self.proxy_port} "))
        return {**direct, "port": self.proxy_port, "known_hosts": str(far)}


@dataclass(slots=True)
class House:
    """Everything that is under test.

    `grpc` are the daemon's three endpoints, `direct` is the test's own connection to the chain. `disk` is
    None where nothing can be mounted.
    """

    directory: Path
    site: FarSite
    ssh: Proxy
    grpc: list[Proxy]
    direct: Proxy
    chain: GrpcChain
    devnet: Process
    addresses: list[str]
    provider: Account
    customer: Account
    governor: Account
    daemon: Process
    disk: Path | None
    witness: Witness
    clock: Path
    others: list[Process] = field(default_factory=list)
    restarts: int = 0
    _supervisor: asyncio.Task[None] | None = None
    _resting: bool = False

    @property
    def outbox(self) -> str:
        return f"outbox:{self.provider.address}"

    @property
    def loops(self) -> tuple[str, ...]:
        return (INTAKE, ADVANCE, HEARTBEAT, self.outbox)

    async def calm(self) -> None:
        await until("every loop ticks well", lambda: self.witness.all_well(self.loops), limit=150, pause=0.3)

    # --- the daemon's life ---

    def supervise(self) -> None:
        self._supervisor = asyncio.create_task(self._keep_running())

    async def _keep_running(self) -> None:
        """Restarts the daemon after its end, as systemd does, with a short delay."""
        while True:
            if not self._resting and not self.daemon.running:
                self.restarts += 1
                await asyncio.sleep(RESTART_SECONDS)
                self.daemon.start()
            await asyncio.sleep(0.1)

    async def restart(self) -> None:
        self._resting = True
        await asyncio.to_thread(self.daemon.stop)
        self.daemon.start()
        self._resting = False

    # --- the chain's life ---

    async def restart_chain(self) -> None:
        """Resumes the chain in another process from the chain's file, with an empty mempool.

        The daemon cannot reach it yet.
        """
        await asyncio.to_thread(self.devnet.stop)
        self.devnet.log.unlink()
        self.devnet, port = await asyncio.to_thread(
            start_devnet, self.directory, self.addresses, *_chain_options(self.governor.address)
        )
        for proxy in (self.direct, *self.grpc):
            proxy.target = port
            proxy.cut()

    async def liar(self, name: str, *more: str) -> tuple[Process, int]:
        """Starts another devnet and returns its port."""
        directory = self.directory / name
        directory.mkdir()
        child, port = await asyncio.to_thread(start_devnet, directory, self.addresses, "published", *more)
        self.others.append(child)
        return child, port

    async def close(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        for child in (self.daemon, self.devnet, *self.others):
            await asyncio.to_thread(child.stop)
        await self.chain.close()
        for proxy in (self.ssh, self.direct, *self.grpc):
            await proxy.stop()
        if self.disk is not None:
            for file in self.disk.glob("ledger.sqlite*"):
                shutil.copy(file, self.directory)
            subprocess.run(["umount", "-l", str(self.disk)], check=False)
        await self.site.down()


Act = Callable[[House], Awaitable[None]]


@contextlib.asynccontextmanager
async def house(directory: Path) -> AsyncIterator[House]:
    """Starts everything and waits until every loop is healthy."""
    site = await asyncio.to_thread(FarSite, directory)
    try:
        made = await _build(directory, site)
    except BaseException:
        await site.down()
        raise
    try:
        await open_shop(made.provider)
        made.daemon.start()
        made.supervise()
        await made.calm()
        yield made
    finally:
        await made.close()


async def _build(directory: Path, site: FarSite) -> House:
    secret, key = new_key()
    customer, governor = new_key()[1], new_key()[1]
    addresses = [person.address for person in (key, customer, governor)]
    devnet, port = await asyncio.to_thread(
        start_devnet, directory, addresses, *_chain_options(governor.address)
    )
    ssh, direct, grpc = (
        Proxy(int(str(site.slurm.ssh["port"]))),
        Proxy(port),
        [Proxy(port) for _ in range(ENDPOINTS)],
    )
    for proxy in (ssh, direct, *grpc):
        await proxy.start()
    site.proxy_port = ssh.port
    chain = GrpcChain(CHAIN_ID, [f"127.0.0.1:{direct.port}"], SystemClock())
    clock, log, disk = directory / "clock_offset", directory / "provd.log", _mount(directory / "disk")
    config, metrics_port = _config(directory, site, secret, grpc, disk)
    clock.write_text("0")
    log.touch()
    return House(
        directory=directory,
        site=site,
        ssh=ssh,
        grpc=grpc,
        direct=direct,
        chain=chain,
        devnet=devnet,
        addresses=addresses,
        provider=Account(key, chain),
        customer=Account(customer, chain),
        governor=Account(governor, chain),
        daemon=Process(
            "the daemon",
            ["run", "-c", str(config)],
            log,
            {"PROVD_CLOCK_OFFSET": str(clock)},
            "tests.faults.daemon",
        ),
        disk=disk,
        witness=Witness(log, (disk or directory) / "ledger.sqlite", metrics_port),
        clock=clock,
    )


def _chain_options(governor: str) -> tuple[str, ...]:
    """Options of a published chain, half of whose queries are read from the store.

    An account of the test is its governance.
    """
    return ("published", "--authority", governor)


def _mount(disk: Path) -> Path | None:
    """Mounts a small file system; returns None where that is not allowed."""
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={LEDGER_DISK},mode=700", "tmpfs", str(disk)]
    return (
        disk
        if os.geteuid() == 0
        and subprocess.run(["mount", *options], check=False, capture_output=True).returncode == 0
        else None
    )


def _config(
    directory: Path, site: FarSite, secret: bytes, grpc: list[Proxy], disk: Path | None
) -> tuple[Path, int]:
    """Writes the demo's configuration with three endpoints and the ledger on its own disk.

    Returns the port of /metrics too.
    """
    config = write_config(directory, site, secret, grpc[0].port)
    text = config.read_text()
    endpoints = ", ".join(f'"127.0.0.1:{proxy.port}"' for proxy in grpc)
    text = re.sub(r"^endpoints = .*$", f"endpoints = [{endpoints}]", text, flags=re.MULTILINE)
    text = re.sub(
        r"^heartbeat_seconds = .*$", f"heartbeat_seconds = {HEARTBEAT_SECONDS}", text, flags=re.MULTILINE
    )
    text = re.sub(
        r'^path = ".*ledger.sqlite"$', f'path = "{disk or directory}/ledger.sqlite"', text, flags=re.MULTILINE
    )
    config.write_text(text)
    return config, int(re.findall(r'listen = "127\.0\.0\.1:(\d+)"', text)[0])
