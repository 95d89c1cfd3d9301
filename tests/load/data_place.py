"""A place for the figures of data: sshd, a chain, and real `provd gateway` and `provd mover` over them."""

import asyncio
import contextlib
import getpass
import json
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from provider_daemon.client.gateway import Gateway
from provider_daemon.client.login import Login
from provider_daemon.demo.processes import Process
from provider_daemon.job.job import Job
from provider_daemon.job.references import DataReference
from provider_daemon.job.state import State
from provider_daemon.job.transfer import InputState
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.tokens.identity import Audience
from provider_daemon.transfers.store import TransferStore
from tests.fakes.chain import ALICE, CHAIN_ID, PROVIDER, FakeClock, TestChain, job
from tests.real.sshd import Sshd, sshd
from tests.unit.daemons import free_port
from tests.unit.job.jobs import JOB

CIPHER = "aes128-gcm@openssh.com"  # what provd prefers, for everything that is compared with it
WAIT_SECONDS = 600


@dataclass
class Place:
    """`directory`/work is the site's work_root, behind sshd; `directory`/local is the customer's."""

    directory: Path
    ssh: Sshd
    ledger: Ledger
    url: str
    gateway: Process
    mover: Process

    @property
    def work(self) -> Path:
        return self.directory / "work"

    @property
    def local(self) -> Path:
        return self.directory / "local"

    @property
    def uploads(self) -> Path:
        return self.directory / "uploads" / ALICE.address

    def scp(self, *arguments: str) -> list[str]:
        key = self.ssh.keys.directory / "id"
        known = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        return ["scp", "-q", "-c", CIPHER, "-i", str(key), *known, "-P", str(self.ssh.port), *arguments]

    def remote(self, path: Path) -> str:
        return f"{getpass.getuser()}@{self.ssh.host}:{path}"

    def rclone(self, *arguments: str) -> list[str]:
        options = {
            "config": "",
            "sftp-host": self.ssh.host,
            "sftp-port": str(self.ssh.port),
            "sftp-user": getpass.getuser(),
            "sftp-key-file": str(self.ssh.keys.directory / "id"),
            "sftp-ciphers": CIPHER,
            "sftp-known-hosts-file": "none",
        }
        program = str(Path(sys.executable).with_name("rclone"))
        return [program, "copy", *(f"--{name}={value}" for name, value in options.items()), *arguments]

    def client(self) -> Gateway:
        """A customer's client; a context manager."""
        audience = Audience(self.url, CHAIN_ID, frozenset({PROVIDER.address}))
        return Gateway(self.url, Login(ALICE, audience, time.time))

    def save(self, made: Job) -> None:
        with self.ledger.write():
            self.ledger.save_job(made)

    def results(self, number: int, directory: Path) -> None:
        """Stores a job whose results are in the directory."""
        spec = replace(JOB.spec, job_id=f"JOB-{number}", customer=ALICE.address, provider=PROVIDER.address)
        made = replace(JOB, spec=spec, slurm_name=f"ve-{number}", directory=str(directory), slurm_id="42")
        self.save(replace(made, state=State.RUNNING, reported=State.RUNNING))

    def wanting(self, jobs: Mapping[str, Iterable[DataReference]]) -> None:
        """Stores jobs that wait for their inputs, all at once. A name is also the job's number."""
        with self.ledger.write():
            for name, references in jobs.items():
                spec = replace(
                    JOB.spec,
                    job_id=name,
                    customer=ALICE.address,
                    provider=PROVIDER.address,
                    data=tuple(references),
                )
                self.ledger.save_job(replace(JOB, spec=spec, slurm_name=name))

    async def staged(self, names: list[str]) -> float:
        """Returns the seconds from when the mover has seen the first job until the last one is ready."""
        store = TransferStore(self.directory / "transfers.sqlite")
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            facts = store.facts(names).values()
            if failed := [each.detail for each in facts if each.inputs is InputState.FAILED]:
                raise SystemExit(f"inputs failed: {failed[0]}")
            if len(facts) == len(names) and all(each.inputs is InputState.READY for each in facts):
                rows = [row for name in names if (row := store.job(name))]
                return time.time() - min(row.seen_at for row in rows)
            await asyncio.sleep(0.1)
        raise SystemExit("the inputs were not staged in time")


def resident(process: Process) -> tuple[int, int]:
    """Returns the resident memory now and its peak, in MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines if line.startswith("Vm")}
    return sizes["VmRSS"], sizes["VmHWM"]


def reference(sha256: str, size: int, name: str) -> DataReference:
    return DataReference(uri=f"upload:{sha256}#name={name}", checksum=sha256, size_bytes=size)


@asynccontextmanager
async def place(directory: Path) -> AsyncIterator[Place]:
    """Starts everything in an empty directory."""
    for name in ("work", "local", "uploads"):
        (directory / name).mkdir()
    (directory / "uploads" / ALICE.address).mkdir()
    ledger = Ledger.open(directory / "ledger.sqlite")
    async with _chain() as port, sshd(directory / "ssh", ["Subsystem sftp internal-sftp"]) as ssh:
        listen = f"127.0.0.1:{free_port()}"
        config = directory / "provd.toml"
        config.write_text(_config(directory, ssh, port, listen))
        processes = {
            name: Process(name, [name, "-c", str(config)], directory / f"{name}.log")
            for name in ("mover", "gateway")
        }
        try:
            for name, process in processes.items():
                process.start()
                await asyncio.to_thread(process.wait_for, f"{name}_started")
            made = Place(directory, ssh, ledger, f"http://{listen}", processes["gateway"], processes["mover"])
            await _answering(made)
            yield made
        finally:
            for process in processes.values():
                await asyncio.to_thread(process.stop)
            ledger.close()


@asynccontextmanager
async def _chain() -> AsyncIterator[int]:
    """A devnet at the present time, with a cluster, whose accounts have public keys; yields its port."""
    chain = await TestChain(clock=FakeClock(time.time() - 60)).start()
    await chain.open_shop()
    assert (await chain.send(ALICE, job())).ok

    async def blocks() -> None:
        while True:
            chain.block(max(0.5, time.time() - chain.clock.time))
            await asyncio.sleep(1)

    making = asyncio.create_task(blocks())
    try:
        yield chain.devnet.port
    finally:
        making.cancel()
        await chain.stop()


async def _answering(made: Place) -> None:
    """Waits until the gateway has read the provider's address from the chain."""
    async with made.client() as gateway, asyncio.timeout(60):
        while True:
            with contextlib.suppress(Exception):
                await gateway.uploads()
                return
            await asyncio.sleep(0.2)


def _config(directory: Path, ssh: Sshd, chain_port: int, listen: str) -> str:
    def lines(**values: object) -> str:
        return "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())

    return f"""[chain]
{lines(id=CHAIN_ID, endpoints=[f"127.0.0.1:{chain_port}"])}
[ledger]
{lines(path=f"{directory}/ledger.sqlite")}
[keys.main]
{lines(kind="plaintext-hex", path=f"{directory}/nobody")}
[gateway]
{lines(url=f"http://{listen}", listen=listen, uploads=f"{directory}/uploads")}
{lines(metrics_listen=f"127.0.0.1:{free_port()}")}
[data]
{lines(path=f"{directory}/transfers.sqlite", spool=f"{directory}/spool")}
{lines(metrics_listen=f"127.0.0.1:{free_port()}")}
[[clusters]]
{lines(id="HPC-1", name="alpha", key="main", region="eu", work_root=f"{directory}/work")}
[clusters.ssh]
{lines(host=ssh.host, port=ssh.port, user=getpass.getuser(), key_file=f"{ssh.keys.directory}/id")}
{lines(host_key_fingerprint=ssh.keys.fingerprint("ed25519"))}
"""
