"""A private SLURM site with cgroups, and audits of it under different launchers and settings."""

import asyncio
import contextlib
import json
import os
import pwd
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.lab.site.cluster_table import cluster_table
from provider_daemon.lab.site.site import Site
from provider_daemon.ledger.ledger import Ledger
from tests.expect import Wrong
from tests.isolation.machine import remove_cgroups
from tests.isolation.namespaces import (
    DEVICE,
    HEAD,
    INTERNET,
    LOOPBACK,
    MANAGEMENT,
    NODE,
    TARGETS,
    ComputeNode,
    furnished,
)
from tests.waiting import until

AUDIT_SECONDS = 240
KEY, NO_PORT = b"\x11" * 32, 9  # of the provider; of a chain that nobody serves
NATIVE, BUILT_IN = "native = true", 'launcher = "bubblewrap"\nnative = true'
POOL = 4  # Unix users of customers
FORBIDDEN = (HEAD, LOOPBACK, *(address for address, _ in TARGETS))
_SETTINGS = {
    "CommunicationParameters": "",
    "ProctrackType": "proctrack/cgroup",
    "TaskPlugin": "task/cgroup,task/affinity",
    "PrologFlags": "Contain",
}
CGROUPS = {"ConstrainCores": "yes", "ConstrainRAMSpace": "yes"}


@dataclass(frozen=True, slots=True)
class Result:
    """The document of an audit, as rows: name -> (verdict, what was seen)."""

    rows: Mapping[str, tuple[str, str]]
    exit_code: int

    def named(self, verdict: str) -> list[str]:
        return [name for name, (each, _) in self.rows.items() if each == verdict]


@dataclass(slots=True)
class Stage:
    node: ComputeNode
    directory: Path
    site: Site
    config: Path

    @property
    def uids(self) -> range:
        """The uids of customers' jobs."""
        uids = [pwd.getpwnam(user).pw_uid for user in self.site.pool]
        return range(min(uids), max(uids) + 1)

    def configure(self, image: str, prologue: str = "", *, shared: bool = False) -> None:
        """`image`: the keys of the only image. `shared`: all jobs run as the login's user, without a pool."""
        table = cluster_table(self.site)
        if shared:
            table = table.replace('accounts = "pool"\n', "").replace(
                self.site.ca_key_file, str(self.site.ssh["key_file"])
            )
            table = re.sub(r"\[clusters\.pool\]\n.*\n", "", table)
        table = table.replace('pattern = "*"\nnative = true\n', f'pattern = "*"\n{image}\n')
        table = table.replace('region = "lab"\n', f'region = "lab"\nprologue = {json.dumps([prologue])}\n')
        self.config.write_text(_CONFIG.format(directory=self.directory, port=NO_PORT) + table)

    def program(self, name: str, text: str) -> Path:
        """Makes a program that every user may run."""
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    @contextlib.contextmanager
    def operators(self) -> Iterator[None]:
        """The users of customers' jobs are SLURM's operators, who may change every job."""
        users = ",".join(self.site.pool)
        change = ("sacctmgr", "-i", "modify", "user", "where", f"name={users}", "set")
        self.site.run(*change, "adminlevel=operator")
        try:
            yield
        finally:
            self.site.run(*change, "adminlevel=none")

    def constrain(self, **settings: str) -> None:
        """Sets what cgroups limit, and restarts the nodes."""
        made = {"CgroupMountpoint": "/sys/fs/cgroup", "CgroupPlugin": "cgroup/v1", **CGROUPS, **settings}
        path = self.site.layout.root / "etc/cgroup.conf"
        path.write_text("".join(f"{name}={value}\n" for name, value in made.items()))
        for node in self.site.nodes:
            self.site.stop(f"slurmd-{node}")
            self.site.start(f"slurmd-{node}")

    def forbid(self, *addresses: str) -> None:
        """Lets no job connect from the node to the addresses, which replace those of the last call."""
        self.node.forbid(self.uids, addresses)

    async def _started(self) -> asyncio.subprocess.Process:
        command = ["-m", "provider_daemon", "site", "audit", "-c", str(self.config), "-o", "json"]
        more = ["--address", _joined(MANAGEMENT), "--internet", _joined(INTERNET)]
        return await asyncio.create_subprocess_exec(
            sys.executable, *command, *more, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )

    async def interrupt(self) -> float:
        """Sends SIGINT to an audit while its second job runs; returns the seconds until its end.

        Raises Wrong if it leaves something behind.
        """
        done = await self._started()
        queue = ("squeue", "-h", "-t", "R", "-o", "%j")

        def both_run() -> bool:
            return len(self.site.run(*queue).stdout.split()) == 2

        try:
            await until("two jobs of the audit run", both_run, limit=AUDIT_SECONDS)
            began = time.monotonic()
            done.send_signal(signal.SIGINT)
            await asyncio.wait_for(done.communicate(), AUDIT_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                done.terminate()
        self.untouched()
        return time.monotonic() - began

    async def audit(self) -> Result:
        """Runs the command. Raises Wrong if it ends without a document, or leaves something behind."""
        done = await self._started()
        try:
            output, errors = await asyncio.wait_for(done.communicate(), AUDIT_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                done.terminate()
        try:
            document = json.loads(output)
        except ValueError:
            raise Wrong(f"the audit ended with {done.returncode}: {errors.decode()[-500:]}") from None
        self.untouched(errors.decode())
        rows = {row["name"]: (row["verdict"], row["seen"]) for row in document["rows"]}
        assert done.returncode is not None
        return Result(rows, done.returncode)

    def untouched(self, errors: str = "") -> None:
        """Raises Wrong if a job or directory of an audit is there, or it reported one."""
        queue = self.site.run("squeue", "-h", "-o", "%j").stdout.split()
        left = [str(path) for path in self.site.work_root.rglob("provd-audit-*")]
        left += [str(path) for path in self.site.work_root.glob(".provd-leases/*")]
        left += [
            str(path)
            for folder in ("/tmp", "/var/tmp", "/dev/shm")
            for path in Path(folder).glob("provd-audit-*")
        ]
        if errors or queue or left:
            raise Wrong(f"left behind: {queue} {left} {errors[-300:]}")


def _joined(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


_CONFIG = """[chain]
id = "isolation"
endpoints = ["127.0.0.1:{port}"]

[ledger]
path = "{directory}/ledger.sqlite"

[keys.main]
kind = "plaintext-hex"
path = "{directory}/key"

"""


@contextlib.asynccontextmanager
async def staged(directory: Path) -> AsyncIterator[Stage]:
    with furnished(directory) as node:
        async with _site(directory, node) as site:
            stage = Stage(node, directory, site, directory / "provd.toml")
            stage.constrain()
            stage.forbid(*FORBIDDEN)
            yield stage


@contextlib.asynccontextmanager
async def _site(directory: Path, node: ComputeNode) -> AsyncIterator[Site]:
    site = await asyncio.to_thread(Site.open, directory / "site", nodes=1, settings=_SETTINGS, pool=POOL)
    _on_its_own_node(site, directory / "bin", node)
    key = os.open(directory / "key", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(key, KEY.hex().encode())
    os.close(key)
    Ledger.open(directory / "ledger.sqlite").close()
    try:
        await asyncio.to_thread(site.up)
        yield site
    finally:
        await asyncio.to_thread(lambda: site.down(purge=True))
        for name in site.nodes:
            remove_cgroups(name)


def _on_its_own_node(site: Site, programs: Path, node: ComputeNode) -> None:
    """slurmd runs in the node's namespace, with this machine's cores, which cgroups can assign, and a GPU."""
    programs.mkdir()
    (programs / "slurmd").write_text(f'#!/bin/sh\nexec {" ".join(node.prefix)} /usr/sbin/slurmd "$@"\n')
    (programs / "slurmd").chmod(0o755)
    site.env = {**site.env, "PATH": f"{programs}:{site.env['PATH']}"}
    plan, etc = site.layout.plan, site.layout.root / "etc"
    conf = (etc / "slurm.conf").read_text()
    conf = conf.replace(f"NodeAddr={plan.address}", f"NodeAddr={NODE}")
    conf = conf.replace(f"CPUs={plan.cpus}", f"CPUs={min(plan.cpus, os.cpu_count() or 1)}")
    (etc / "slurm.conf").write_text(
        conf.replace(f"gpu:{plan.gpu_type}:{plan.gpus}", f"gpu:{plan.gpu_type}:1")
    )
    (etc / "gres.conf").write_text(f"AutoDetect=off\nName=gpu Type={plan.gpu_type} File={DEVICE}\n")
