"""Boots a Debian with systemd, installs this tree's provd as a service, and tests the life of the service.

    python -m tests.systemd.run [SUITE]    bookworm, which is Debian 12, or trixie

Run it as root. It prints a line for each step. It exits with 0 only if every step succeeded, and with 77 if
this host cannot boot a machine.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.expect import Wrong
from tests.systemd.closed import Closed
from tests.systemd.course import Course
from tests.systemd.data_services import DataServices
from tests.systemd.machine import Machine, Unbootable, booted
from tests.systemd.node_services import NodeServices
from tests.systemd.service import Service
from tests.systemd.stage import built
from tests.unit.docs import ROOT

UNBOOTABLE = 77
# not in /tmp, of which a service has its own, and not in /home, which a service does not see
PLACE = Path("/srv")
_OWN = (str(ROOT / "tools/images/private-mounts"), "--net")


def say(began: float, what: str, outcome: str) -> None:
    print(f"[{time.monotonic() - began:5.1f} s] {what}: {outcome}", flush=True)


async def play(tree: Path, wheel: Path) -> None:
    began = time.monotonic()
    shared = PLACE / "shared"
    shared.mkdir()
    tempfile.tempdir = str(shared)  # the directory of the site's files
    async with booted(tree, PLACE, shared) as machine:
        say(began, "boot", (await machine.run("systemctl", "--version")).splitlines()[0])
        async with built(PLACE) as stage:
            service = Service(machine)
            say(began, "install", await service.install(stage, wheel.read_bytes()))
            try:
                data = DataServices(machine, service, stage)
                nodes = NodeServices(machine, service)
                await _play(Course(machine, service, stage), data, nodes, Closed(machine, service, stage))
            except Wrong:
                await _leave_journal(machine)
                raise


async def _play(course: Course, data: DataServices, nodes: NodeServices, closed: Closed) -> None:
    for what, step in {
        **course.serving(),
        **data.steps(),
        **nodes.steps(),
        **closed.steps(),
        **course.ending(),
        "the journal of it all": closed.journal,
    }.items():
        began = time.monotonic()
        say(began, what, await step())


async def _leave_journal(machine: Machine) -> None:
    names = ("provd", "provd-gateway", "provd-mover", "provd-collector", "provd-agent")
    units = [word for name in names for word in ("-u", name)]
    told = await machine.run("journalctl", "--no-pager", *units, "-n", "40", "-o", "short-precise")
    print(f"the end of the journal:\n{told}", file=sys.stderr)


def inside(tree: Path, wheel: Path) -> int:
    """Runs in separate network and mount namespaces: what is written ends with them."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "provd-systemd", PLACE], check=True)
    try:
        asyncio.run(play(tree, wheel))
    except Unbootable as error:
        return unbootable(str(error))
    except Wrong as error:
        print(f"WRONG: {error}", file=sys.stderr)
        return 1
    return 0


def unbootable(why: str) -> int:
    print(f"no systemd can be booted here: {why}", file=sys.stderr)
    return UNBOOTABLE


def main() -> int:
    if len(sys.argv) == 3:
        return inside(Path(sys.argv[1]), Path(sys.argv[2]))
    if os.geteuid() != 0:
        return unbootable("only root can make namespaces and control groups")
    tried = subprocess.run([*_OWN, "true"], check=False, capture_output=True, text=True)
    if tried.returncode:
        return unbootable(f"{tried.stderr.strip()} (a container needs --privileged)")
    suite = sys.argv[1] if len(sys.argv) == 2 else "bookworm"
    began = time.monotonic()
    made = subprocess.run(
        [ROOT / "tools/images/systemd", suite], stdout=subprocess.PIPE, text=True, check=False
    )
    if made.returncode:
        return unbootable("the Debian for it cannot be made")
    tree = made.stdout.strip()
    say(began, "a Debian with systemd", tree)
    with tempfile.TemporaryDirectory(prefix="provd-systemd.") as directory:
        subprocess.run(
            [ROOT / ".uv/bin/uv", "build", "-q", "--wheel", "--out-dir", directory, ROOT], check=True
        )
        (wheel,) = Path(directory).glob("*.whl")
        code = subprocess.run(
            [*_OWN, sys.executable, "-m", "tests.systemd.run", tree, wheel], cwd=ROOT, check=False
        ).returncode
    print(f"{'ok' if code == 0 else 'NOT as it should be'}: {time.monotonic() - began:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
