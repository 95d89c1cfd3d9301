"""The private SLURM site: started by any user, broken at will, and removed completely."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provider_daemon.lab.site.processes import LabError
from provider_daemon.lab.site.site import Site

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real-slurm")]


@pytest.fixture
def directory() -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(prefix="provd-test."))
    parent.chmod(0o755)
    yield parent / "site"
    shutil.rmtree(parent)


def processes_of(directory: Path) -> list[str]:
    """Returns the command lines of all processes of the site."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if f"{directory}/".encode() in text:
            found.append((entry / "cmdline").read_text().replace("\0", " "))
    return found


@pytest.mark.parametrize("reached", ["munged", "mariadbd", "slurmctld"])
async def test_interrupted_on_its_way_up(directory: Path, reached: str) -> None:
    """Ctrl-C during the start leaves no process, and the next start succeeds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "provider_daemon",
        "lab",
        "up",
        str(directory),
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        while not (directory / f"run/{reached}.pid").exists():
            await asyncio.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    assert await process.wait() != 0
    assert processes_of(directory) == []
    site = Site.open(directory)
    try:
        await asyncio.to_thread(site.up)
        assert all(site.pid(daemon) for daemon in site.daemons)
    finally:
        await asyncio.to_thread(site.down)
    assert processes_of(directory) == []


async def test_two_at_once(directory: Path, real_site: Site) -> None:
    """Two sites have their own jobs.

    One that stops does not affect the other, and ends its running jobs even if slurmctld has died.
    """
    other = Site.open(directory, nodes=1)
    try:
        await asyncio.to_thread(other.up)
        other.run("sbatch", "-A", other.account, "-o", "/dev/null", "--wrap", "sleep 999")
        async with asyncio.timeout(30):
            while "sleep 999" not in " ".join(processes_of(directory)):
                await asyncio.sleep(0.1)
        other.stop("slurmctld")
    finally:
        await asyncio.to_thread(other.down, purge=True)
    assert processes_of(directory) == []
    assert not directory.exists()
    assert all(real_site.pid(daemon) for daemon in real_site.daemons)


def propagation() -> str:
    """Returns the option for `unshare`: private, or unchanged in a plain chroot.

    There / is not a mount point and the kernel refuses to change its propagation.
    """
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return "private" if any(line.split()[4] == "/" for line in mounts) else "unchanged"


def test_debians_own_hosts_file(directory: Path) -> None:
    """Steps run over two nodes and slurmctld receives new QOS where the host's name resolves to 127.0.1.1.

    Debian's installer writes such a line to /etc/hosts.
    """
    hosts = directory.parent / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n127.0.1.1 {socket.gethostname()}\n")
    user = [] if os.geteuid() == 0 else ["--map-current-user", "--keep-caps"]
    enter = ["unshare", "--mount", "--propagation", propagation(), *user, "sh", "-ec"]
    course = """mount --bind "$1" /etc/hosts
    trap 'umount --lazy /etc/hosts' EXIT
    "$3" -m provider_daemon lab up "$2" >&2
    export SLURM_CONF=$2/etc/slurm.conf
    sacctmgr -i -Q add qos new >&2
    sacctmgr -i -Q modify account provd set qos+=new >&2
    timeout 20 srun -A provd -q new -N 2 printenv SLURM_NODEID"""
    try:
        done = subprocess.run(
            [*enter, course, "enter", hosts, directory, sys.executable],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, sorted(done.stdout.split())) == (0, ["0", "1"]), done.stderr
        assert "NodeAddr=127.0.1.1 " in (directory / "etc/slurm.conf").read_text()
    finally:
        Site.existing(directory).down(purge=True)
    assert processes_of(directory) == []


def test_a_directory_that_holds_something_else(directory: Path) -> None:
    """A directory with other contents is not changed, and one line reports that."""
    directory.mkdir()
    (directory / "precious").touch()
    with pytest.raises(LabError, match="is not empty and contains no SLURM site"):
        Site.open(directory)
    with pytest.raises(LabError, match="contains no SLURM site"):
        Site.existing(directory)
    assert (directory / "precious").exists()
