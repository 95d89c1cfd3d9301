"""Network and mount namespaces for one run: what the probes try to reach is ours, and no packet leaves.

The run itself is in one network namespace, the head: SLURM's controller, the login node, and the addresses
that stand for the metadata service, a management network and the internet. The compute node is in another
one, behind a virtual cable. A private /dev has a GPU device.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

METADATA, INTERNET = ("169.254.169.254", 80), ("203.0.113.80", 443)
HEAD, NODE, MANAGEMENT = "10.77.9.1", "10.77.9.2", ("10.77.0.2", 2222)
LOOPBACK = "127.0.0.0/8"
TARGETS = (METADATA, MANAGEMENT, INTERNET)
INSIDE = "PROVD_ISOLATION"
DEVICE = "/dev/nvidia0"
_PASSED_ON = (
    "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "fuse", "fd", "stdin",
    "stdout", "stderr",
)  # fmt: skip


def enter(module: str, arguments: Sequence[str]) -> None:
    """Runs the module again in new namespaces, and does not return. Inside it does nothing."""
    if INSIDE in os.environ:
        return
    argv = [
        "unshare",
        "--net",
        "--mount",
        "--propagation",
        "private",
        sys.executable,
        "-m",
        module,
        *arguments,
    ]
    os.execvpe(argv[0], argv, {**os.environ, INSIDE: "1"})


@contextmanager
def furnished(directory: Path) -> Iterator["ComputeNode"]:
    """Makes the head's addresses, listeners, /etc/hosts and /dev, and the compute node's namespace."""
    _run("ip", "link", "set", "lo", "up")
    for address, _ in TARGETS:
        _run("ip", "addr", "add", f"{address}/32", "dev", "lo")
    hosts = directory / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{HEAD} {socket.gethostname()}\n")
    _run("mount", "--bind", str(hosts), "/etc/hosts")
    _furnish_dev(directory / "dev")
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        node = ComputeNode(holder.pid)
        node.connect()
        for target in TARGETS:
            _listen(target)
        yield node
    finally:
        holder.kill()
        holder.wait()


class ComputeNode:
    """The network namespace of the compute node, which the process `pid` holds."""

    def __init__(self, pid: int) -> None:
        self.prefix = ("nsenter", f"--net=/proc/{pid}/ns/net")
        self._pid = pid

    def connect(self) -> None:
        """Lays the cable to the head. Rules for users come before the table of local addresses."""
        while os.readlink(f"/proc/{self._pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            continue
        _run("ip", "link", "add", "head0", "type", "veth", "peer", "name", "node0", "netns", str(self._pid))
        _run("ip", "addr", "add", f"{HEAD}/24", "dev", "head0")
        _run("ip", "link", "set", "head0", "up")
        for words in (
            "link set lo up",
            f"addr add {NODE}/24 dev node0",
            "link set node0 up",
            f"route add default via {HEAD}",
            "rule add pref 100 lookup local",
            "rule del pref 0",
        ):
            _run(*self.prefix, "ip", *words.split())

    def forbid(self, users: range, addresses: Sequence[str]) -> None:
        """Lets no process of these uids connect to the addresses, which replace those of the last call."""
        delete = [*self.prefix, "ip", "rule", "del", "pref", "10"]
        while subprocess.run(delete, capture_output=True, check=False).returncode == 0:
            continue
        for address in addresses:
            rule = f"rule add pref 10 uidrange {users.start}-{users.stop - 1} to {address} prohibit"
            _run(*self.prefix, "ip", *rule.split())


def _furnish_dev(made: Path) -> None:
    """The device has the numbers of /dev/full: a GPU's would have no driver here."""
    made.mkdir()
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "dev", str(made))
    for name in _PASSED_ON:
        old, new = Path("/dev", name), made / name
        if old.is_symlink():
            new.symlink_to(old.readlink())
        elif old.is_dir():
            new.mkdir()
            _run("mount", "--rbind", str(old), str(new))
        elif old.exists():
            new.touch()
            _run("mount", "--bind", str(old), str(new))
    _run("mknod", "-m", "666", str(made / Path(DEVICE).name), "c", "1", "7")
    _run("mount", "--move", str(made), "/dev")


def _listen(address: tuple[str, int]) -> None:
    door = socket.create_server(address, backlog=16)

    def answer() -> None:
        while True:
            door.accept()[0].close()

    threading.Thread(target=answer, daemon=True).start()


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True)
