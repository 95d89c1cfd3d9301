"""tools/bootstrap: what it says and leaves alone, with apt and its neighbours replaced by programs that only
answer."""

import os
import subprocess
from pathlib import Path

import pytest

from tools import ROOT

BOOTSTRAP = ROOT / "tools/bootstrap"


class Machine:
    """A PATH whose first directory answers for the system's own programs; `calls` holds what apt-get was
    asked."""

    def __init__(self, directory: Path) -> None:
        self._bin = directory / "bin"
        self._bin.mkdir()
        self._calls = directory / "calls"
        self.program("apt-get", f'echo "$*" >>{self._calls}; echo "E: no such mirror"; exit 100')
        self.program("tee", "cat >/dev/null")
        self.program("chmod", "exit 0")

    def program(self, name: str, body: str) -> None:
        path = self._bin / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def user(self, number: int, *, installed: bool) -> None:
        self.program("id", f"echo {number}")
        self.program("sudo", "exit 1")
        self.program("dpkg-query", 'echo "install ok installed"' if installed else "exit 1")

    def run(self, *what: str) -> "subprocess.CompletedProcess[str]":
        path = f"{self._bin}:{os.environ['PATH']}"
        return subprocess.run(
            [BOOTSTRAP, *what], env={"PATH": path}, capture_output=True, text=True, check=False
        )

    @property
    def calls(self) -> str:
        return self._calls.read_text() if self._calls.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_is_done_where_nothing_is_missing(machine: Machine) -> None:
    """Everything is installed: no word, and apt is not asked."""
    machine.user(0, installed=True)
    result = machine.run("slurm")
    assert (result.returncode, result.stdout, result.stderr, machine.calls) == (0, "", "", "")


def test_without_rights_one_line_says_what_to_install(machine: Machine) -> None:
    """Neither root nor sudo: the command to run, and exit code 1 so that the caller can go on without."""
    machine.user(1000, installed=False)
    result = machine.run("slurm")
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1
    assert (
        "apt-get install slurmctld slurmd slurmdbd slurm-client munge mariadb-server openssh-server "
        "openssh-client"
    ) in line
    assert machine.calls == ""


def test_all_that_a_target_needs_is_one_line(machine: Machine) -> None:
    """Several words: whoever has no rights is sent to apt once."""
    machine.user(1000, installed=False)
    result = machine.run("slurm", "observe", "browser")
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1
    assert all(package in line for package in ("slurmctld", "munge", "prometheus", "chromium"))


def test_make_test_installs_the_launcher_of_the_attacks(machine: Machine) -> None:
    """`make test` and `make hostile-customer` run jobs behind bwrap: their tools include bubblewrap."""
    machine.user(1000, installed=False)
    assert "apt-get install bubblewrap" in machine.run("sandbox").stderr
    rules = (BOOTSTRAP.parents[1] / "Makefile").read_text().split("\n\n")
    for target in ("test-tools:", "sandbox-tools:"):
        (rule,) = (rule for rule in rules if f"\n{target}" in rule)
        assert "sandbox" in rule.split("tools/bootstrap slurm", 1)[1], target


def test_a_failing_apt_says_why(machine: Machine) -> None:
    """The last lines of apt are shown, its exit code is passed on, and the policy against starting services
    is taken away again."""
    before = Path("/usr/sbin/policy-rc.d").exists()
    machine.user(0, installed=False)
    assert machine.run("engine").returncode == 100
    result = machine.run("slurm")
    assert result.returncode == 100
    assert "E: no such mirror" in result.stderr
    assert machine.calls.splitlines()[0].endswith("update")
    assert Path("/usr/sbin/policy-rc.d").exists() == before


def test_a_python_that_is_too_old_is_named(machine: Machine) -> None:
    """One line says which Python it is and how to name another."""
    machine.program("python3", 'case "$*" in -V) echo "Python 3.9.2" ;; *) exit 1 ;; esac')
    machine.user(0, installed=True)
    result = machine.run("venv")
    assert result.returncode == 1
    assert (
        result.stderr
        == "Python 3.11 to 3.15 is needed, python3 is Python 3.9.2; name another by PYTHON=...\n"
    )
