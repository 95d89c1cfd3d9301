"""Bringing the site up and down. Cold about 6 s, warm about 2 s; works as root and as any plain user."""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provider_daemon.lab.site import conf, layout, processes
from provider_daemon.lab.site.layout import Layout
from provider_daemon.lab.site.processes import LabError

# Debian's packages that a site is made of, and a program of each by which its presence is told.
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


def missing_packages() -> list[str]:
    return [package for package, program in PACKAGES.items() if shutil.which(program, path=processes.PATH) is None]


@dataclass(slots=True)
class Site:
    """`Site.open(directory)`, then `up()`. What a client needs of it stands in the properties."""

    layout: Layout
    env: Mapping[str, str]

    @classmethod
    def open(cls, directory: Path, *, nodes: int = 4, settings: dict[str, str] | None = None) -> "Site":
        """An existing site, or a new plan for one; `settings` are slurm.conf's and hold for a new one only."""
        if missing := missing_packages():
            raise LabError(f"SLURM is not installed here: apt-get install {' '.join(missing)}")
        root = directory.resolve()
        found = layout.load(root)
        made = found or layout.create(root, nodes=nodes, settings=settings)
        env = {
            "PATH": processes.PATH,
            "HOME": str(root),
            "LC_ALL": "C",
            "SLURM_CONF": str(made.slurm_conf),
            "MYSQL_UNIX_PORT": str(made.sql_socket),
        }
        site = cls(made, env)
        if found is None:
            site._write_files()
        return site

    # --- what a client needs ---

    @property
    def ssh(self) -> dict[str, object]:
        """host, port, user, key_file, known_hosts."""
        keys = self.layout.root / "ssh"
        return {
            "host": "127.0.0.1",
            "port": self.layout.plan.ssh_port,
            "user": self.layout.plan.user,
            "key_file": str(keys / "id_ed25519"),
            "known_hosts": str(keys / "known_hosts"),
        }

    @property
    def work_root(self) -> Path:
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
        return ".".join(map(str, self._version()))

    def _version(self) -> tuple[int, ...]:
        text = processes.run(["slurmctld", "-V"], self.env).stdout
        return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A SLURM command on the site, as the site's owner."""
        return processes.run(list(argv), self.env, check=check)

    # --- making it ---

    def _write_files(self) -> None:
        made, etc = self.layout, self.layout.root / "etc"
        (etc / "slurm.conf").write_text(conf.slurm_conf(made))
        (etc / "gres.conf").write_text(conf.gres_conf(made))
        (etc / "cgroup.conf").write_text(conf.cgroup_conf(self._version()))
        _private(etc / "slurmdbd.conf", conf.slurmdbd_conf(made).encode())
        _private(made.root / "key/munge.key", secrets.token_bytes(128))
        self._write_ssh()

    def _write_ssh(self) -> None:
        keys = self.layout.root / "ssh"
        for name in ("host_ed25519", "id_ed25519"):
            self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "provd-lab", "-f", str(keys / name))
        (keys / "authorized_keys").write_text((keys / "id_ed25519.pub").read_text())
        kind, key, *_ = (keys / "host_ed25519.pub").read_text().split()
        (keys / "known_hosts").write_text(f"[127.0.0.1]:{self.layout.plan.ssh_port} {kind} {key}\n")
        (keys / "sshd_config").write_text(conf.sshd_config(self.layout))

    # --- up ---

    def up(self) -> None:
        """Starts what is not running and waits until every node takes jobs; raises LabError with the log that says why not."""
        made = self.layout
        cold = not (made.root / "db/mysql").exists()
        database = self._install_database() if cold else None
        self._start_munge()
        self.start_sshd()
        if database is not None and database.wait():
            raise LabError(f"mariadb-install-db failed: see {made.log('mariadb-install')}")
        self._start_database(cold)
        self.start("slurmdbd")
        if not (made.root / "accounts.done").exists():
            self._make_accounts()
        self.start("slurmctld")
        for node in made.plan.nodes:
            self.start_node(node)
        processes.until("every node takes jobs", self._nodes_ready, made.log("slurmctld"))

    def _install_database(self) -> subprocess.Popen[bytes]:
        owner = self.layout.plan.owner
        return processes.spawn(
            [
                "mariadb-install-db", "--no-defaults", f"--datadir={self.layout.root}/db", f"--user={owner}",
                "--auth-root-authentication-method=socket", f"--auth-root-socket-user={owner}", "--skip-test-db", "--skip-name-resolve",
            ],
            self.env,
            self.layout.log("mariadb-install"),
        )  # fmt: skip

    def _start_munge(self) -> None:
        made = self.layout
        if not self.pid("munged"):
            self.run(
                "munged", f"--socket={made.munge_socket}", f"--key-file={made.root}/key/munge.key", f"--pid-file={made.pid_file('munged')}",
                f"--log-file={made.log('munged')}", f"--seed-file={made.root}/key/munge.seed", "--num-threads=4",
            )  # fmt: skip
        processes.until(
            "munged", lambda: processes.succeeds(["munge", "-S", str(made.munge_socket), "-n"], self.env), made.log("munged"), 20
        )

    def _start_database(self, cold: bool) -> None:
        made = self.layout
        if not self.pid("mariadbd"):
            processes.spawn(
                [
                    "mariadbd", "--no-defaults", f"--datadir={made.root}/db", f"--user={made.plan.owner}", f"--socket={made.sql_socket}",
                    f"--pid-file={made.pid_file('mariadbd')}", f"--tmpdir={made.root}/tmp", "--skip-networking", "--skip-name-resolve",
                    "--innodb-buffer-pool-size=128M", "--innodb-lock-wait-timeout=900", "--innodb-flush-log-at-trx-commit=0",
                    "--max-allowed-packet=64M", "--performance-schema=0",
                ],
                self.env,
                made.log("mariadbd"),
            )  # fmt: skip
        processes.until("mariadbd", lambda: processes.succeeds(self._sql("select 1"), self.env), made.log("mariadbd"))
        if cold:
            who = f"'{made.plan.owner}'@'localhost'"
            user = f"create user if not exists {who} identified via unix_socket"
            self.run(*self._sql(f"create database if not exists slurm_acct_db; {user}; grant all on slurm_acct_db.* to {who};"))

    def _sql(self, statement: str) -> list[str]:
        return ["mariadb", "--no-defaults", "-S", str(self.layout.sql_socket), "-N", "-e", statement]

    def start_sshd(self) -> None:
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
            self._make_login()
        if not self.pid("sshd"):
            keys = self.layout.root / "ssh"
            self.run("/usr/sbin/sshd", "-f", str(keys / "sshd_config"), "-E", str(self.layout.log("sshd")))
        processes.until("sshd", lambda: bool(self.pid("sshd")), self.layout.log("sshd"), 10)

    def _make_login(self) -> None:
        user = self.layout.plan.user
        with contextlib.suppress(KeyError):
            pwd.getpwnam(user)
            return
        self.run("useradd", "-m", "-s", "/bin/bash", user)
        self.run("usermod", "-p", "*", user)  # useradd leaves it locked: sshd would refuse its key

    def start(self, daemon: str) -> None:
        """slurmctld or slurmdbd, until it answers."""
        question = {"slurmctld": ["scontrol", "ping"], "slurmdbd": ["sacctmgr", "-n", "list", "cluster"]}[daemon]
        if not self.pid(daemon):
            self.run(daemon)
        processes.until(daemon, lambda: processes.succeeds(question, self.env), self.layout.log(daemon), 90)

    def start_node(self, node: str) -> None:
        if not self.pid(f"slurmd-{node}"):
            self.run("slurmd", "-N", node)

    def _make_accounts(self) -> None:
        plan = self.layout.plan
        users = ",".join(dict.fromkeys((plan.user, plan.owner)))
        for argv in (
            ("add", "cluster", plan.cluster),
            ("add", "account", plan.account, f"Cluster={plan.cluster}", "Description=provd", "Organization=provd"),
            ("add", "user", users, f"Account={plan.account}"),
        ):
            done = self.run("sacctmgr", "-i", *argv, check=False)
            if done.returncode and "Nothing new added" not in done.stdout + done.stderr:
                raise LabError(f"sacctmgr {' '.join(argv)}: {(done.stdout + done.stderr).strip()}")
        (self.layout.root / "accounts.done").touch()

    def _nodes_ready(self) -> bool:
        states = self.run("sinfo", "-h", "-N", "-p", "standard", "-o", "%T", check=False).stdout.split()
        return len(states) == len(self.layout.plan.nodes) and set(states) <= {"idle", "mixed", "allocated", "completing"}

    # --- state, and down ---

    @property
    def daemons(self) -> tuple[str, ...]:
        return ("munged", "mariadbd", "slurmdbd", "slurmctld", *(f"slurmd-{node}" for node in self.layout.plan.nodes), "sshd")

    def pid(self, daemon: str) -> int | None:
        return processes.pid_of(self.layout.pid_file(daemon), daemon.split("-")[0])

    def stop(self, daemon: str) -> None:
        processes.end(self.layout.pid_file(daemon), daemon.split("-")[0])

    def status(self) -> dict[str, object]:
        return {
            "directory": str(self.layout.root),
            "version": self.version,
            "slurm_conf": str(self.layout.slurm_conf),
            "ssh": self.ssh,
            "up": {daemon: bool(self.pid(daemon)) for daemon in self.daemons},
        }

    def down(self, *, purge: bool = False) -> None:
        """Jobs first: their slurmstepd outlives slurmd. Works on a site that is only half up."""
        if self.pid("slurmctld"):
            self._cancel_all()
        for daemon in reversed(self.daemons):
            self.stop(daemon)
        processes.end_leftovers("slurmstepd", (self.layout.root, self.layout.run))
        if purge:
            shutil.rmtree(self.layout.run, ignore_errors=True)
            shutil.rmtree(self.layout.root, ignore_errors=True)

    def _cancel_all(self) -> None:
        for partition in ("standard", "gpu"):
            self.run("scontrol", "update", f"partitionname={partition}", "state=down", check=False)
        live = ["squeue", "-h", "-t", "PD,R,S,CG,CF", "-o", "%A"]
        if ids := self.run(*live, check=False).stdout.split():
            self.run("scancel", "-f", *dict.fromkeys(ids), check=False)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.run(*live, check=False).stdout.strip():
            time.sleep(0.1)
        for partition in ("standard", "gpu"):
            self.run("scontrol", "update", f"partitionname={partition}", "state=up", check=False)


def _private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
