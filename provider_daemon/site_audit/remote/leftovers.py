"""What a job leaves behind on purpose, and what is still there when it has ended."""

import ctypes
import os
import signal
import sys
import time
from typing import Any, Iterator, List

from provider_daemon.site_audit.remote.report import ABSENT, REACHED, SKIPPED, Attempt

FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
ALIVE, STOP = "audit-alive", "audit-stop"
LIFE_SECONDS = 120.0
CREATE, REMOVE = 0o1000, 0
LOOP = (
    "import os, sys, time\n"
    "end = time.monotonic() + %f\n"
    "while time.monotonic() < end and not os.path.exists(sys.argv[2]):\n"
    "    handle = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)\n"
    "    os.write(handle, b'.')\n"
    "    os.close(handle)\n"
    "    time.sleep(0.25)\n"
)

libc = ctypes.CDLL(None, use_errno=True)


def files(mark: str) -> List[str]:
    return ["%s/provd-audit-%s" % (folder, mark) for folder in FOLDERS if os.path.isdir(folder)]


def plant(mark: str, key: int) -> Attempt:
    """Starts a process that leaves its parent, session and environment, and makes files and System V IPC."""
    made: List[str] = []
    for path in files(mark):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            made.append(path)
        except OSError:
            pass
    if libc.shmget(key, 4096, CREATE | 0o600) >= 0:
        made.append("System V memory")
    os.close(os.open(ALIVE, os.O_CREAT | os.O_WRONLY, 0o600))
    _daemon(mark)
    end = time.monotonic() + 5
    while time.monotonic() < end and os.stat(ALIVE).st_size == 0:
        time.sleep(0.05)
    if os.stat(ALIVE).st_size == 0:
        return SKIPPED, "the process that should stay did not start"
    return REACHED, "a process, " + ", ".join(made)


def _daemon(mark: str) -> None:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(null, handle)
    here = os.getcwd()
    argv = [sys.executable, "-c", LOOP % LIFE_SECONDS, os.path.join(here, ALIVE), os.path.join(here, STOP)]
    os.execve(sys.executable, [*argv, "provd-audit-%s" % mark], {})


def processes(mark: str) -> Attempt:
    """Ends the process that stayed, if it can be seen."""
    word = ("provd-audit-%s" % mark).encode()
    found = [pid for pid, words in command_lines() if word in words and pid != os.getpid()]
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    return (REACHED, "a process of the ended job runs") if found else (ABSENT, "no process of the ended job")


def remaining_files(mark: str) -> Attempt:
    found = [path for path in files(mark) if os.path.lexists(path)]
    for path in found:
        try:
            os.unlink(path)
        except OSError:
            pass
    return (REACHED, "left behind: " + ", ".join(found)) if found else (ABSENT, "no file of the ended job")


def remaining_memory(key: int) -> Attempt:
    number = libc.shmget(key, 0, 0)
    if number < 0:
        return ABSENT, "no System V memory of the ended job"
    libc.shmctl(number, REMOVE, None)
    return REACHED, "System V memory of the ended job"


def command_lines() -> Iterator[Any]:
    """Yields (pid, words of the command line) of every process that can be seen."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/cmdline" % name, "rb") as line:
                yield int(name), line.read(256 * 1024).split(b"\0")
        except OSError:
            continue
