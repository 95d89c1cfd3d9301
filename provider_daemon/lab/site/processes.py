"""Starting, finding and ending the site's daemons. A pid counts only while /proc says that it still is that program."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LabError(Exception):
    """The site cannot be brought up or down; its text holds the end of the log that says why."""


def run(argv: list[str], env: Mapping[str, str], *, check: bool = True, limit: float = 60) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, check=False)
    if check and done.returncode:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {(done.stdout + done.stderr).strip()[-800:]}")
    return done


def succeeds(argv: list[str], env: Mapping[str, str]) -> bool:
    try:
        return run(argv, env, check=False, limit=15).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def spawn(argv: list[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A daemon that stays in the foreground, in a session of its own."""
    with log.open("ab") as output:
        return subprocess.Popen(
            argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )


def until(what: str, test: Callable[[], bool], log: Path, limit: float = 60) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if test():
            return
        time.sleep(0.05)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else "(no log)"
    raise LabError(f"{what}: not after {limit:.0f} s. {log}:\n{tail}")


def pid_of(pid_file: Path, program: str) -> int | None:
    """PID 1 may not reap here, so that a dead daemon stays as a zombie: its empty command line tells."""
    try:
        pid = int(pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if program.encode() in command else None


def end(pid_file: Path, program: str, limit: float = 20) -> None:
    """TERM, and KILL for one that does not listen."""
    for sent, patience in ((signal.SIGTERM, limit), (signal.SIGKILL, 5.0)):
        pid = pid_of(pid_file, program)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sent)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and pid_of(pid_file, program):
            time.sleep(0.02)


def end_leftovers(program: str, directories: tuple[Path, ...]) -> None:
    """Processes that outlive their daemon (slurmstepd does), told from other sites' by the files that they hold open."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cmdline").read_bytes().startswith(program.encode()) and _holds(entry, directories):
                os.kill(int(entry.name), signal.SIGKILL)


def _holds(entry: Path, directories: tuple[Path, ...]) -> bool:
    prefixes = tuple(f"{directory}/" for directory in directories)
    return any(os.readlink(link).startswith(prefixes) for link in (entry / "fd").iterdir())
