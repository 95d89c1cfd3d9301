"""Runs in place of the daemon, in its sandbox, and prints the result of each attempt.

    probe.py HOST PORT    of a listening socket

A result is "ok", or the error's name. The program needs nothing but Python.
"""

import contextlib
import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

STATE = Path(os.environ["STATE_DIRECTORY"])
libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def write(directory: str) -> Callable[[], object]:
    return lambda: (Path(directory) / "probe").write_text("x")


def sqlite_wal() -> None:
    with contextlib.closing(sqlite3.connect(STATE / "probe.sqlite")) as connection:
        assert connection.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        connection.execute("CREATE TABLE probe (x)")


def in_threads() -> None:
    done: list[int] = []
    threads = [threading.Thread(target=done.append, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 20


def others_processes() -> None:
    """Fails if no process of another user is visible."""
    if all(int(Path(path).stat().st_uid) == os.getuid() for path in Path("/proc").glob("[0-9]*")):
        raise OSError(errno.ENOENT, "none")


def setuid_file() -> None:
    (STATE / "probe").touch()
    (STATE / "probe").chmod(0o4755)


def core() -> None:
    if resource.getrlimit(resource.RLIMIT_CORE) == (0, 0):
        raise OSError(errno.EPERM, "no core")


def whose(path: str) -> Callable[[], object]:
    return lambda: next(iter(Path(path).iterdir()))


# writable by everybody, except for the sandbox
OPEN = ("/etc/open", "/opt/open", "/run/open", "/srv/open", "/usr/open", "/var/open")
ATTEMPTS: dict[str, Callable[[], object]] = {
    **{f"write {place}": write(place) for place in OPEN},
    "write /dev/shm": write("/dev/shm"),
    "write the cgroup": write("/sys/fs/cgroup"),
    "write StateDirectory": write(str(STATE)),
    "write /tmp": write("/tmp"),
    "see another's /tmp": lambda: Path("/tmp/of-another").stat(),
    "see /root": whose("/root"),
    "see /home": whose("/home"),
    "see others' processes": others_processes,
    "see the machine's /proc": Path("/proc/stat").read_text,
    "signal systemd": lambda: os.kill(1, 0),
    "become root": lambda: os.setuid(0),
    "make a setuid file": setuid_file,
    "new user namespace": lambda: call("unshare", 0x10000000),
    "new mount namespace": lambda: call("unshare", 0x00020000),
    "mount": lambda: call("mount", b"x", b"/tmp", b"tmpfs", 0, None),
    "memory to write and execute": lambda: mmap.mmap(
        -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ),
    "netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "set the hostname": lambda: socket.sethostname("probe"),
    "set the clock": lambda: call("settimeofday", (ctypes.c_long * 2)(1, 0), None),
    "another personality": lambda: call("personality", 0x0008),
    "raise its priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
    "leave a core": core,
    "sqlite in WAL mode": sqlite_wal,
    "threads": in_threads,
    "subprocess": lambda: subprocess.run(["/bin/sh", "-c", "exit 0"], check=True),
    "resolve and connect": lambda: socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close(),
    "listen": lambda: socket.create_server(("127.0.0.1", 0)).close(),
    "read /etc/provd": Path("/etc/provd/provd.toml").read_text,
    "read known_hosts": Path("/etc/provd/known_hosts").read_text,
    "read the credential": (Path(os.environ["CREDENTIALS_DIRECTORY"]) / "provd-key").read_text,
}


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except Exception as error:
        return repr(error)
    return "ok"


if __name__ == "__main__":
    signal.alarm(30)
    print(json.dumps({name: outcome(attempt) for name, attempt in ATTEMPTS.items()}))
