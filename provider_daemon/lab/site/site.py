"""Start and stop of a site: cold about 4 s, warm about 2 s; as root or any plain user."""

import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.lab.site import conf, layout, pool, processes
from provider_daemon.lab.site.daemons import Daemons
from provider_daemon.lab.site.layout import Layout
from provider_daemon.lab.site.processes import LabError
from provider_daemon.names import PRINCIPAL

# The Debian packages that a site needs, each with a program whose presence shows that it is installed.
PACKAGES = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "slurmdbd": "slurmdbd",
    "slurm-client": "sbatch",
    "munge": "munged",
    "mariadb-server": "mariadbd",
    "openssh-server": "sshd",
    "openssh-client": "ssh-keygen",
}
NODES_READY = frozenset({"idle", "mixed", "allocated", "completing"})


def missing_packages() -> list[str]:
    return [
        package for package, program in PACKAGES.items() if shutil.which(program, path=processes.PATH) is None
    ]


@dataclass(slots=True)
class Site:
    """A site: `Site.open(directory)`, then `up()`.

    The properties return what a client needs. start(daemon) and stop(daemon) are for rehearsing failures;
    `daemons` lists the names. Every failure is a LabError.
    """

    layout: Layout
    env: Mapping[str, str]  # for SLURM's commands on the site, as its owner

    @classmethod
    def open(
        cls, directory: Path, *, nodes: int = 4, settings: dict[str, str] | None = None, pool: int = 0
    ) -> "Site":
        """Returns an existing site, or a new plan.

        `nodes`, `settings` (slurm.conf's) and `pool`, the number of customers' Unix users, apply to a new
        site only.
        """
        root = directory.resolve()
        if layout.load(root) is not None:
            return cls.existing(root)
        if missing := missing_packages():
            raise LabError(f"SLURM is not installed here: apt-get install {' '.join(missing)}")
        site = cls._of(layout.create(root, nodes=nodes, settings=settings, pool=pool))
        try:
            site.write_files()
        except BaseException:
            site.purge()
            raise
        layout.save(site.layout)
        return site

    @classmethod
    def existing(cls, directory: Path) -> "Site":
        found = layout.load(directory.resolve())
        if found is None:
            raise LabError(f"{directory} contains no SLURM site; create one with `provd lab up`")
        return cls._of(found)

    @classmethod
    def _of(cls, made: Layout) -> "Site":
        files = {"SLURM_CONF": str(made.slurm_conf), "MYSQL_UNIX_PORT": str(made.sql_socket)}
        return cls(made, {"PATH": processes.PATH, "HOME": str(made.root), "LC_ALL": "C", **files})

    # --- what a client needs ---

    @property
    def ssh(self) -> dict[str, object]:
        """Returns host, port, user, key_file, known_hosts."""
        keys, plan = self.layout.root / "ssh", self.layout.plan
        files = {"key_file": str(keys / "id_ed25519"), "known_hosts": str(keys / "known_hosts")}
        return {"host": "127.0.0.1", "port": plan.ssh_port, "user": plan.user, **files}

    @property
    def ca_key_file(self) -> str:
        """Returns the private key of the certificate authority that the site's sshd trusts."""
        return str(self.layout.root / "ssh/ca")

    @property
    def pool(self) -> tuple[str, ...]:
        """Returns the Unix users of customers."""
        return self.layout.plan.pool

    @property
    def work_root(self) -> Path:
        """Returns the shared file system, which contains the jobs' directories."""
        return self.layout.work_root

    @property
    def account(self) -> str:
        return self.layout.plan.account

    @property
    def nodes(self) -> tuple[str, ...]:
        return self.layout.plan.nodes

    @property
    def partitions(self) -> tuple[str, ...]:
        return conf.PARTITIONS

    @property
    def version(self) -> str:
        """Returns SLURM's version, like 22.05.8."""
        return self.run("slurmctld", "-V").stdout.split()[-1]

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a SLURM command on the site, as the site's owner."""
        return processes.run(list(argv), self.env, check=check)

    # --- creation ---

    def write_files(self) -> None:
        made, etc = self.layout, self.layout.root / "etc"
        version = tuple(int(part) for part in re.findall(r"\d+", self.version)[:2])
        (etc / "slurm.conf").write_text(conf.slurm_conf(made))
        (etc / "gres.conf").write_text(conf.gres_conf(made))
        (etc / "cgroup.conf").write_text(conf.cgroup_conf(version))
        _private(etc / "slurmdbd.conf", conf.slurmdbd_conf(made).encode())
        _private(made.root / "key/munge.key", secrets.token_bytes(128))
        self._write_ssh()

    def _write_ssh(self) -> None:
        keys = self.layout.root / "ssh"
        for name in ("host_ed25519", "id_ed25519", "ca"):
            self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "provd-lab", "-f", str(keys / name))
        (keys / "authorized_keys").write_text((keys / "id_ed25519.pub").read_text())
        (keys / "principals").write_text(f"{PRINCIPAL}\n")
        kind, key, *_ = (keys / "host_ed25519.pub").read_text().split()
        (keys / "known_hosts").write_text(f"[127.0.0.1]:{self.layout.plan.ssh_port} {kind} {key}\n")
        (keys / "sshd_config").write_text(conf.sshd_config(self.layout))

    # --- up ---

    def up(self) -> None:
        """Starts what is not running and waits until every node accepts jobs.

        If it is interrupted, everything is stopped again.
        """
        if layout.me() != self.layout.plan.owner:
            raise LabError(f"{self.layout.root} belongs to {self.layout.plan.owner}")
        try:
            self._up()
        except BaseException:
            self.down()
            raise

    def _up(self) -> None:
        root, daemons = self.layout.root, Daemons(self.layout, self.env)
        for daemon in ("munged", "sshd"):
            daemons.start(daemon)
        _once(root / "database.done", daemons.make_database)
        for daemon in ("mariadbd", "slurmdbd"):
            daemons.start(daemon)
        _once(root / "accounts.done", daemons.make_accounts)
        for daemon in daemons.names:
            daemons.start(daemon)
        if self.pool:
            _once(root / "pool.done", lambda: pool.prepare(self.layout, self.env))
        processes.until("every node takes jobs", self._nodes_ready, self.layout.log("slurmctld"))

    def _nodes_ready(self) -> bool:
        states = self.run(
            "sinfo", "-h", "-N", "-p", conf.PARTITIONS[0], "-o", "%T", check=False
        ).stdout.split()
        return len(states) == len(self.nodes) and set(states) <= NODES_READY

    def start(self, daemon: str) -> None:
        Daemons(self.layout, self.env).start(daemon)

    # --- state, and down ---

    @property
    def daemons(self) -> tuple[str, ...]:
        return Daemons(self.layout, self.env).names

    def pid(self, daemon: str) -> int | None:
        return Daemons(self.layout, self.env).pid(daemon)

    def stop(self, daemon: str) -> None:
        Daemons(self.layout, self.env).stop(daemon)

    def status(self) -> dict[str, object]:
        return {
            "directory": str(self.layout.root),
            "version": self.version,
            "slurm_conf": str(self.layout.slurm_conf),
            "work_root": str(self.work_root),
            "ssh": self.ssh,
            "up": {daemon: bool(self.pid(daemon)) for daemon in self.daemons},
        }

    def down(self, *, purge: bool = False) -> None:
        """Stops the site, jobs first: their slurmstepd outlives slurmd.

        Works on a partly started site too.
        """
        if self.pid("slurmctld"):
            self._cancel_all()
        for daemon in reversed(self.daemons):
            self.stop(daemon)
        processes.end_leftovers(self.layout.slurm_conf, (self.layout.root, self.layout.run))
        if purge:
            self.purge()

    def purge(self) -> None:
        pool.remove(self.layout, self.env)
        for directory in (self.layout.run, self.layout.root):
            shutil.rmtree(directory, ignore_errors=True)

    def _cancel_all(self) -> None:
        self._partitions("down")  # no new jobs start meanwhile
        live = ["squeue", "-h", "-t", "PD,R,S,CG,CF", "-o", "%A"]
        if ids := self.run(*live, check=False).stdout.split():
            self.run("scancel", "-f", *dict.fromkeys(ids), check=False)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.run(*live, check=False).stdout.strip():
            time.sleep(0.1)
        self._partitions("up")

    def _partitions(self, state: str) -> None:
        for partition in conf.PARTITIONS:
            self.run("scontrol", "update", f"partitionname={partition}", f"state={state}", check=False)


def _once(mark: Path, step: "processes.Step") -> None:
    """Runs a step once. An interrupted step runs again."""
    if not mark.exists():
        step()
        mark.touch()


def _private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
