"""What a native job leaves behind is ended and removed, by the lines of bash that provd renders."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from provider_daemon.slurm import sweeper
from tests.real.test_site import propagation
from tests.waiting import until

# Leaves its parents; with "bare" without environment. It writes its pid.
DAEMON = """
import os, sys
if os.fork(): sys.exit()
os.setsid()
if os.fork(): sys.exit()
for handle in (0, 1, 2): os.dup2(os.open(os.devnull, os.O_RDWR), handle)
open(sys.argv[1], "a").write("%d\\n" % os.getpid())
argv = ["sleep", "100"]
os.execve("/bin/sleep", argv, {}) if "bare" in sys.argv else os.execv("/bin/sleep", argv)
"""
PYTHON = "/usr/bin/python3"
PATH = "/usr/bin:/bin"
# One user for each process of the tests: a watcher leaves files alone while another job of its user runs.
USER = 50_000 + os.getpid() % 10_000
NAME = "provd-sweeper-of-this-test"  # ipcs cuts long names off


class Job:
    """A batch script of another Unix user, if this is root: the pool user of one customer."""

    def __init__(self, directory: Path, *, as_other: bool) -> None:
        self.directory, self._as_other = directory, as_other
        self.pids = directory / "pids"

    def start(
        self, *program: str, dedicated: bool = True, wall: int = 60, path: str = PATH
    ) -> "subprocess.Popen[bytes]":
        text = "\n".join([*sweeper.lines(str(self.directory), wall, dedicated=dedicated), *program])
        run = [*self._named(), "setpriv", f"--reuid={USER}", "--clear-groups"] if self._as_other else []
        environment = {"PATH": path, "SLURM_JOB_ID": "7"}
        return subprocess.Popen([*run, "/bin/bash", "-c", text], env=environment, cwd=self.directory)

    def _named(self) -> list[str]:
        """Gives the user its name in a mount namespace; in a plain chroot, which has none, it has no name."""
        if propagation() == "unchanged":
            return []
        passwd = self.directory.parent / "passwd"
        passwd.write_text(f"{Path('/etc/passwd').read_text()}{NAME}:x:{USER}:{USER}::/:/bin/sh\n")
        mounted = f'mount --bind {passwd} /etc/passwd && exec "$@"'
        return ["unshare", "--mount", "/bin/sh", "-c", mounted, "sh"]

    def daemon(self, *words: str) -> str:
        return f"{PYTHON} -c '{DAEMON}' {self.pids} {' '.join(words)}"

    def alive(self) -> list[int]:
        """The processes that were left behind. Zombies do not count: process 1 may not reap here."""
        pids = self.pids.read_text().split() if self.pids.exists() else []
        lines = {int(pid): Path("/proc", pid, "cmdline") for pid in pids}
        return [pid for pid, line in lines.items() if line.exists() and line.read_bytes()]

    def watcher(self) -> bool:
        """Whether the watcher of this job still runs."""
        word = str(self.directory).encode()
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = line.read_bytes().split(b"\0")
            except OSError:
                continue
            if b"provd-watcher" in words and word in words:
                return True
        return False


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    if not Path(PYTHON).exists():
        pytest.skip(f"{PYTHON} is not installed")
    root = os.geteuid() == 0
    parent = Path("/var/tmp" if root else tmp_path, f"provd-sweeper-{uuid.uuid4().hex}")
    directory = parent / "job"
    directory.mkdir(parents=True)
    if root:
        os.chown(directory, USER, -1)
    made = Job(directory, as_other=root)
    yield made
    for pid in made.alive():
        os.kill(pid, signal.SIGKILL)
    subprocess.run(["rm", "-rf", str(parent)], check=True)


def late(job: Job, after: Path) -> str:
    """Returns a PATH with a setsid that begins in a later second than the one in which `after` was made."""
    programs = job.directory.parent / "bin"
    programs.mkdir()
    setsid = programs / "setsid"
    made = f'[ -e {after} ] && [ "$(date +%s)" -gt "$(stat -c %Y {after})" ]'
    setsid.write_text(f'#!/bin/sh\nuntil {made}; do sleep 0.05; done\nexec /usr/bin/setsid "$@"\n')
    setsid.chmod(0o755)
    return f"{programs}:{PATH}"


async def over(job: Job) -> None:
    await until("the watcher ends", lambda: not job.watcher(), limit=30)


async def test_processes_of_a_finished_job(job: Job) -> None:
    """Those that left their parents, and, of a dedicated user, those that emptied their environment."""
    script = job.start(job.daemon(), job.daemon("bare"))
    await until("two processes were left behind", lambda: len(job.alive()) == 2, limit=20)
    script.wait()
    await over(job)
    assert not job.alive()


async def test_processes_of_a_killed_job(job: Job) -> None:
    """SIGKILL of the script itself, as at SLURM's time limit."""
    script = job.start(job.daemon(), "sleep 100 & wait")
    await until("a process was left behind", lambda: len(job.alive()) == 1, limit=20)
    assert job.alive()
    script.kill()
    script.wait()
    await over(job)
    assert not job.alive()


async def test_the_next_run_of_a_job_stays(job: Job) -> None:
    """A requeued job runs again in the same directory: a watcher ends processes of its run only."""
    first = job.start(job.daemon())
    second = job.start(job.daemon(), "sleep 100")
    await until("each run has left a process behind", lambda: len(job.alive()) == 2, limit=20)
    first.wait()
    await until("one of them is ended", lambda: len(job.alive()) == 1, limit=20)
    (left,) = job.alive()
    assert f"{sweeper.RUN_MARK}={second.pid}" in Path("/proc", str(left), "environ").read_text().split("\0")
    assert second.poll() is None
    second.kill()
    second.wait()
    await over(job)
    assert not job.alive()


async def test_processes_of_others_stay(job: Job) -> None:
    """Another job of the same user, and a process in the directory of a user with several customers."""
    bystander = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(100)"],
        env={"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "7", sweeper.MARK: f"{job.directory}x"},
    )
    try:
        script = job.start(job.daemon("bare"), dedicated=False)
        await until("a process was left behind", lambda: len(job.alive()) == 1, limit=20)
        script.wait()
        await over(job)
        assert bystander.poll() is None
        assert len(job.alive()) == 1
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start jobs of a user that is nobody else's")
async def test_files_and_shared_memory(job: Job) -> None:
    """Of a dedicated user, without another job on the node: those made since the job began, also before a
    watcher that a busy node starts late."""
    name = job.directory.parent.name
    places = [Path(folder, f"{name}-left") for folder in ("/tmp", "/var/tmp", "/dev/shm")]
    foreign = Path("/tmp", f"{name}-foreign")
    foreign.touch()
    try:
        program = f"touch {' '.join(map(str, places))}; ipcmk -M 4096 >{job.directory}/ipc"
        script = job.start(program, path=late(job, after=places[-1]))
        script.wait()
        await until("the files are removed", lambda: not any(path.exists() for path in places), limit=30)
        await over(job)
        assert foreign.exists()
        number = (job.directory / "ipc").read_text().split()[-1]
        shown = subprocess.run(["ipcs", "-m"], capture_output=True, text=True, check=True)
        assert number not in shown.stdout.split()
    finally:
        foreign.unlink()


async def test_a_watcher_gives_up(job: Job) -> None:
    """After the job's limit and an hour it ends, and touches nothing."""
    script = job.start(job.daemon(), "sleep 100", wall=1 - sweeper.SPARE_SECONDS)
    await until("a process was left behind", lambda: len(job.alive()) == 1, limit=20)
    await over(job)
    assert len(job.alive()) == 1
    script.kill()
    script.wait()
