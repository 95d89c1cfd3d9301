"""Starting, finding and ending the site's daemons.

A pid counts only while /proc shows that it still is that program.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from provider_daemon.errors import ProvdError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DAEMONS = frozenset(
    ("munged", "mariadbd", "mariadb-install", "slurmdbd", "slurmctld", "slurmscriptd", "slurmd", "slurmstepd",
    "sshd")
)  # fmt: skip

Step = Callable[[], None]


class LabError(ProvdError):
    """The site cannot be started or stopped; the text contains the end of the log with the reason."""


def run(
    argv: list[str], env: Mapping[str, str], *, check: bool = True, limit: float = 60
) -> subprocess.CompletedProcess[str]:
    """Runs a command in its own session.

    A Ctrl-C on our terminal is ours to handle, and must not interrupt a set-up command.
    """
    try:
        done = subprocess.run(
            argv,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv)}: did not finish within {limit:.0f} s") from None
    if check and done.returncode:
        raise LabError(
            f"{' '.join(argv)}: exit {done.returncode}: {(done.stdout + done.stderr).strip()[-800:]}"
        )
    return done


def succeeds(argv: list[str], env: Mapping[str, str]) -> bool:
    with contextlib.suppress(LabError):
        return run(argv, env, check=False, limit=15).returncode == 0
    return False


def spawn(argv: list[str], env: Mapping[str, str], log: Path) -> None:
    """Starts a daemon in the foreground, in its own session."""
    with log.open("ab") as output:
        subprocess.Popen(
            argv,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )


def until(what: str, test: Callable[[], bool], log: Path, limit: float = 60) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if test():
            return
        time.sleep(0.05)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else "(no log)"
    raise LabError(f"{what}: not done within {limit:.0f} s. {log}:\n{tail}")


def pid_of(pid_file: Path, program: str) -> int | None:
    """Returns the daemon's pid, or None.

    PID 1 may not reap here, so that a dead daemon remains as a zombie, which has an empty command line.
    """
    try:
        pid = int(pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if program.encode() in command else None


def end(pid_file: Path, program: str) -> None:
    """Sends SIGTERM, then SIGKILL to a process that does not end."""
    for sent, patience in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)):
        pid = pid_of(pid_file, program)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sent)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and pid_of(pid_file, program):
            time.sleep(0.02)


def end_leftovers(slurm_conf: Path, directories: tuple[Path, ...]) -> None:
    """Ends processes without a pid file: a slurmstepd and its job, or a daemon that was being started."""
    deadline = time.monotonic() + 5
    while (found := list(_leftovers(slurm_conf, directories))) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _leftovers(slurm_conf: Path, directories: tuple[Path, ...]) -> Iterator[int]:
    """Yields the pids of this site's processes.

    They are identified by SLURM_CONF in their environment, or by their command line (sshd overwrites its
    environment).
    """
    site = f"SLURM_CONF={slurm_conf}\0".encode()
    places = [f"{directory}/".encode() for directory in directories]
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            ours = site in (variables := (entry / "environ").read_bytes())
            if (entry / "comm").read_text().strip() in _DAEMONS:
                ours = ours or any(place in (entry / "cmdline").read_bytes() for place in places)
            else:
                ours = ours and b"\0SLURM_JOB_ID=" in variables
            if ours:
                yield int(entry.name)
