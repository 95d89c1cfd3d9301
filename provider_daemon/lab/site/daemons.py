"""The site's daemons by name: munged, mariadbd, slurmdbd, slurmctld, slurmd-<node>, sshd."""

import contextlib
import os
import pwd
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from provider_daemon.lab.site import processes
from provider_daemon.lab.site.layout import Layout
from provider_daemon.lab.site.processes import LabError

DATABASE = "slurm_acct_db"


@dataclass(frozen=True, slots=True)
class Daemons:
    """The site's daemons. start() returns once the daemon answers; a running daemon is left alone."""

    layout: Layout
    env: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        return (
            "munged",
            "mariadbd",
            "slurmdbd",
            "slurmctld",
            *(f"slurmd-{node}" for node in self.layout.plan.nodes),
            "sshd",
        )

    def pid(self, daemon: str) -> int | None:
        return processes.pid_of(self.layout.pid_file(daemon), _program(daemon))

    def stop(self, daemon: str) -> None:
        processes.end(self.layout.pid_file(daemon), _program(daemon))

    def start(self, daemon: str) -> None:
        """Starts a daemon. Raises LabError with the end of the log that contains the reason for a failure."""
        if daemon.startswith("slurmd-"):
            self._start_node(daemon.removeprefix("slurmd-"))
            return
        {
            "munged": self._start_munged,
            "mariadbd": self._start_mariadbd,
            "slurmdbd": self._start_slurmdbd,
            "slurmctld": self._start_slurmctld,
            "sshd": self._start_sshd,
        }[daemon]()

    def _until(self, daemon: str, question: list[str], limit: float) -> None:
        processes.until(
            daemon, lambda: processes.succeeds(question, self.env), self.layout.log(daemon), limit
        )

    def _start_munged(self) -> None:
        made, key = self.layout, self.layout.root / "key"
        if not self.pid("munged"):
            files = {
                "socket": made.munge_socket,
                "key-file": key / "munge.key",
                "pid-file": made.pid_file("munged"),
            }
            files |= {"log-file": made.log("munged"), "seed-file": key / "munge.seed"}
            processes.run(
                ["munged", *(f"--{name}={path}" for name, path in files.items()), "--num-threads=4"], self.env
            )
        self._until("munged", ["munge", "-S", str(made.munge_socket), "-n"], 20)

    def make_database(self) -> None:
        """Creates an empty database. The operator's account logs in by unix socket without a password.

        Tried twice: creating several databases on one machine at the same moment can fail.
        """
        made, owner = self.layout, self.layout.plan.owner
        command = [
            "mariadb-install-db", "--no-defaults", f"--datadir={made.root}/db", f"--user={owner}",
            "--skip-test-db",
            "--auth-root-authentication-method=socket", f"--auth-root-socket-user={owner}",
            "--skip-name-resolve",
        ]  # fmt: skip
        for last in (False, True):
            shutil.rmtree(made.root / "db", ignore_errors=True)
            if processes.run(command, self.env, check=last).returncode == 0:
                return

    def _start_mariadbd(self) -> None:
        made, owner = self.layout, self.layout.plan.owner
        if not self.pid("mariadbd"):
            # Durability is not needed here, and costs seconds.
            processes.spawn(
                [
                    "mariadbd", "--no-defaults", f"--datadir={made.root}/db", f"--user={owner}",
                    f"--socket={made.sql_socket}",
                    f"--pid-file={made.pid_file('mariadbd')}", f"--tmpdir={made.root}/tmp",
                    "--skip-networking", "--skip-name-resolve",
                    "--innodb-buffer-pool-size=128M", "--innodb-lock-wait-timeout=900",
                    "--innodb-flush-log-at-trx-commit=0",
                    "--innodb-flush-method=nosync", "--innodb-doublewrite=0", "--max-allowed-packet=64M",
                    "--performance-schema=0",
                ],
                self.env,
                made.log("mariadbd"),
            )  # fmt: skip
        self._until("mariadbd", self._sql("select 1"), 60)
        who = f"'{owner}'@'localhost'"
        grant = (
            f"create user if not exists {who} identified via unix_socket; grant all on {DATABASE}.* to {who};"
        )
        processes.run(self._sql(f"create database if not exists {DATABASE}; {grant}"), self.env)

    def _sql(self, statement: str) -> list[str]:
        return ["mariadb", "--no-defaults", "-S", str(self.layout.sql_socket), "-N", "-e", statement]

    def _start_slurmdbd(self) -> None:
        if not self.pid("slurmdbd"):
            processes.run(["slurmdbd"], self.env)
        self._until("slurmdbd", ["sacctmgr", "-n", "list", "cluster"], 90)

    def _start_slurmctld(self) -> None:
        if not self.pid("slurmctld"):
            processes.run(["slurmctld"], self.env)
        self._until("slurmctld", ["scontrol", "ping"], 30)

    def _start_node(self, node: str) -> None:
        if not self.pid(f"slurmd-{node}"):
            processes.run(["slurmd", "-N", node], self.env)

    def _start_sshd(self) -> None:
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
            self._make_login()
        if not self.pid("sshd"):
            config = self.layout.root / "ssh/sshd_config"
            processes.run(["/usr/sbin/sshd", "-f", str(config), "-E", str(self.layout.log("sshd"))], self.env)
        processes.until("sshd", lambda: bool(self.pid("sshd")), self.layout.log("sshd"), 10)

    def _make_login(self) -> None:
        user = self.layout.plan.user
        with contextlib.suppress(KeyError):
            pwd.getpwnam(user)
            return
        processes.run(["useradd", "-m", "-s", "/bin/bash", user], self.env)
        # useradd leaves the account locked: sshd would refuse its key
        processes.run(["usermod", "-p", "*", user], self.env)

    def make_accounts(self) -> None:
        """Creates the cluster, the account, and in it the two users that may submit."""
        plan = self.layout.plan
        users = ",".join(dict.fromkeys((plan.user, plan.owner)))
        for argv in (
            ("add", "cluster", plan.cluster),
            (
                "add",
                "account",
                plan.account,
                f"Cluster={plan.cluster}",
                "Description=provd",
                "Organization=provd",
            ),
            ("add", "user", users, f"Account={plan.account}"),
        ):
            done = processes.run(["sacctmgr", "-i", *argv], self.env, check=False)
            there_already = any(
                words in done.stdout + done.stderr for words in ("Nothing new added", "already exists")
            )
            if done.returncode and not there_already:
                raise LabError(f"sacctmgr {' '.join(argv)}: {(done.stdout + done.stderr).strip()}")


def _program(daemon: str) -> str:
    return daemon.split("-")[0]
