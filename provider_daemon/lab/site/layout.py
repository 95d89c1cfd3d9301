"""The paths of a site, and its plan, which is written once when the site is created."""

import json
import os
import pwd
import random
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from provider_daemon.lab.places import plain, temporary
from provider_daemon.lab.site.processes import LabError

PLAN_FILE = "lab.json"
MAX_SOCKET_PATH = 80  # AF_UNIX paths end at 107 bytes, and slurmstepd appends its own names
LOGIN_USER = "provdlab"  # the jobs' user if root starts the site


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a site.

    `owner` runs the daemons, `user` logs in and submits. `pool`: Unix users of customers, made for this site
    alone. Memory is in MB per node. slurmctld and slurmd listen on `address`, all others on 127.0.0.1.
    """

    owner: str
    user: str
    host: str
    run: str
    ctld_port: int
    dbd_port: int
    ssh_port: int
    node_ports: tuple[int, ...]
    address: str = "127.0.0.1"
    cluster: str = "lab"
    account: str = "provd"
    cpus: int = 16
    memory: int = 65536
    gpus: int = 2
    gpu_type: str = "a100"
    settings: dict[str, str] = field(default_factory=dict)
    pool: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(f"n{number}" for number in range(1, len(self.node_ports) + 1))


@dataclass(frozen=True, slots=True)
class Layout:
    """Every path of a site, derived from its directory and its plan."""

    root: Path
    plan: Plan

    @property
    def slurm_conf(self) -> Path:
        return self.root / "etc/slurm.conf"

    @property
    def run(self) -> Path:
        return Path(self.plan.run)

    @property
    def munge_socket(self) -> Path:
        return self.run / "munge/munge.socket.2"

    @property
    def sql_socket(self) -> Path:
        return self.run / "m.sock"

    @property
    def work_root(self) -> Path:
        """Returns the shared file system of the site."""
        return self.root / "work"

    def pid_file(self, daemon: str) -> Path:
        return self.run / f"{daemon}.pid"

    def log(self, daemon: str) -> Path:
        return self.root / f"log/{daemon}.log"


def load(root: Path) -> Layout | None:
    """Returns the layout of an existing site, or None if there is none."""
    try:
        text = (root / PLAN_FILE).read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LabError(f"{root} cannot be read: {error.strerror}") from None
    value = json.loads(text)
    lists = {name: tuple(value[name]) for name in ("node_ports", "pool") if name in value}
    return Layout(root, Plan(**{**value, **lists}))


def create(root: Path, *, nodes: int = 4, settings: dict[str, str] | None = None, pool: int = 0) -> Layout:
    """Creates the directories and the plan. Raises LabError for a directory with other contents."""
    if pool and os.geteuid():
        raise LabError("only root can create the Unix users of a pool")
    if not plain(str(root)):
        raise LabError(
            f"{root}: SLURM's configuration allows only letters, digits and _ . - in paths; use another "
            "directory"
        )
    _empty(root)
    root.chmod(0o755)
    owner, host = me(), socket.gethostname()
    ctld, dbd, ssh, *node_ports = free_ports(3 + nodes)
    plan = Plan(
        owner=owner,
        user=LOGIN_USER if os.geteuid() == 0 else owner,
        host=host.split(".")[0],
        address=address_of(host),
        run=str(_run_directory(root)),
        ctld_port=ctld,
        dbd_port=dbd,
        ssh_port=ssh,
        node_ports=tuple(node_ports),
        settings=settings or {},
        pool=_pool(pool),
    )
    layout = Layout(root, plan)
    _make_directories(layout)
    return layout


def _pool(count: int) -> tuple[str, ...]:
    """Returns names that no other site on this machine uses."""
    site = f"provd-{random.randrange(16**6):06x}"
    return tuple(f"{site}-c{number:03}" for number in range(1, count + 1))


def _empty(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        used = any(root.iterdir())
    except OSError as error:
        raise LabError(f"{root} cannot be a site's directory: {error.strerror}") from None
    if used:
        raise LabError(f"{root} is not empty and contains no SLURM site; use another directory")


def save(layout: Layout) -> None:
    """Writes the plan, which marks a site with complete files."""
    (layout.root / PLAN_FILE).write_text(json.dumps(asdict(layout.plan), indent=1))


def me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def address_of(host: str) -> str:
    """Returns the address of the host's name, often 127.0.1.1.

    SLURM's daemons listen there when they do not listen everywhere.
    """
    try:
        return socket.gethostbyname(host)
    except OSError:
        raise LabError(
            f"this host's name does not resolve, and SLURM needs it: add the line '127.0.0.1 {host}' to "
            "/etc/hosts"
        ) from None


def _run_directory(root: Path) -> Path:
    run = root / "run"
    if len(str(run / "munge/munge.socket.2.lock")) > MAX_SOCKET_PATH:
        run = temporary("provd-lab.")
    return run


def _make_directories(layout: Layout) -> None:
    for name in ("etc", "log", "state", "tmp", "ssh", "key", "work"):
        (layout.root / name).mkdir()
    for path in (layout.run, layout.run / "munge"):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o755)  # munge's clients run as other users
    for node in layout.plan.nodes:
        (layout.run / "spool" / node).mkdir(parents=True)
    (layout.root / "key").chmod(0o700)
    layout.work_root.chmod(0o1777)


def free_ports(count: int) -> Sequence[int]:
    """Returns a block of TCP ports without listeners, below the range of ports for outgoing connections."""
    start = random.randrange(11000, 30000)
    while True:
        ports = range(start, start + count)
        if all(_is_free(port) for port in ports):
            return ports
        start = 11000 + (start + count - 11000) % 19000


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
