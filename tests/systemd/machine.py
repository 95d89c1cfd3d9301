"""A machine booted by systemd in its own namespaces.

Its processes, mounts and control group end with it.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.expect import Wrong
from tests.unit.docs import ROOT

BOOT = Path(__file__).with_name("boot")
BOOT_SECONDS = 120
WAIT_SECONDS = 120  # seconds for what should happen soon; provd may wait for 60 after a long stop
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES = (
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--uts",
    "--ipc",
    "--cgroup",
    "--propagation",
    "private",
)


class Unbootable(Exception):
    """This host cannot boot a machine."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine. `leader`: its systemd, as a process of this namespace."""

    leader: int

    async def run(self, *words: str | Path, stdin: bytes = b"", code: int | None = 0) -> str:
        """Runs a command as root and returns the output of both streams.

        Raises Wrong for an exit code other than `code`.
        """
        enter = [
            "nsenter",
            "-t",
            str(self.leader),
            "-m",
            "-p",
            "-u",
            "-i",
            "-C",
            "env",
            "-i",
            "-C",
            "/",
            _PATH,
            "LC_ALL=C.UTF-8",
        ]
        process = await asyncio.create_subprocess_exec(
            *enter,
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told = (await process.communicate(stdin))[0].decode(errors="replace")
        if code is not None and process.returncode != code:
            raise Wrong(
                f"{' '.join(map(str, words))}: exit code {process.returncode}, should be "
                f"{code}\n{told[-3000:]}"
            )
        return told

    async def put(self, path: str, content: bytes, mode: str = "644", owner: str = "root") -> None:
        """Writes a file and creates its directories."""
        await self.run(
            "install", "-D", "-m", mode, "-o", owner, "-g", owner, "/dev/stdin", path, stdin=content
        )

    async def shown(self, unit: str, *properties: str) -> dict[str, str]:
        """Returns the properties in `systemctl show`."""
        text = await self.run("systemctl", "show", unit, *(f"--property={name}" for name in properties))
        return dict(line.split("=", 1) for line in text.splitlines())

    async def journal(self, unit: str) -> list[dict[str, Any]]:
        """Returns the journal entries of the unit's own processes, oldest first."""
        await self.run("journalctl", "--sync")
        text = await self.run("journalctl", "--output=json", "--all", f"_SYSTEMD_UNIT={unit}")
        return [json.loads(line) for line in text.splitlines()]


@contextlib.asynccontextmanager
async def booted(tree: Path, directory: Path, shared: Path) -> AsyncIterator[Machine]:
    """Boots a machine. `directory` must be empty. Raises Unbootable, with the reason."""
    layer = directory / "layer"
    layer.mkdir()
    with _control_group(directory / "cgroup") as group:
        words = [str(group / "cgroup.procs"), *_NAMESPACES, str(BOOT), str(tree), str(layer), str(shared)]
        enter = ["sh", "-c", 'echo $$ >"$1" && shift && exec unshare "$@"', "enter", *words]
        with (directory / "boot.log").open("w") as log:
            process = subprocess.Popen(
                enter, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield await _up(process, directory / "boot.log")
        finally:
            process.kill()
            process.wait()


async def _up(process: "subprocess.Popen[bytes]", log: Path) -> Machine:
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        leader = _only_child(process.pid)
        if leader and Path(f"/proc/{leader}/comm").read_text() == "systemd\n":
            machine = Machine(leader)
            if (await machine.run("systemctl", "is-system-running", "--wait", code=None)).strip() in (
                "running",
                "degraded",
            ):
                return machine
        await asyncio.sleep(0.05)
    raise Unbootable(" ".join(log.read_text().split()) or f"systemd is not up after {BOOT_SECONDS} s")


def _only_child(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
    return 0


@contextlib.contextmanager
def _control_group(mount: Path) -> Iterator[Path]:
    """Creates a control group of the unified hierarchy, wherever this host has that.

    All processes in it are killed at the end.
    """
    mount.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "cgroup2", "cgroup2", mount], check=True, capture_output=True, text=True
        )
    except subprocess.CalledProcessError as error:
        raise Unbootable(error.stderr.strip()) from None
    group = mount / f"provd-systemd-test.{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        (group / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + 10
        while group.exists() and time.monotonic() < deadline:
            for each in sorted(group.rglob("**/"), reverse=True):
                with contextlib.suppress(OSError):
                    each.rmdir()
            with contextlib.suppress(OSError):
                group.rmdir()
