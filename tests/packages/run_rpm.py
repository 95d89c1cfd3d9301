"""Builds the RPMs of this tree and of a newer one, and tests their life with rpm in another root directory.

    python -m tests.packages.run_rpm

Run it as root. EL is not available everywhere: the other system is a Debian 12, whose own Python 3.11 has the
same path as EL's, with an RPM database in which one package provides what EL's packages do. It prints a line
for each step and exits with 0 only if every step succeeded.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from provider_daemon.errors import ProvdError
from tests.expect import Wrong
from tests.packages import agent_installed, course, newer, rpm_contents, rpm_installed
from tests.packages.debian import Debian, command
from tests.packages.managers import Rpm
from tests.packages.run import teller
from tests.unit.docs import ROOT


def play(directory: Path, step: Callable[..., None]) -> None:
    dist = directory / "dist"
    with ThreadPoolExecutor() as pool:
        el, package_311 = (pool.submit(built, ROOT, dist, python) for python in ("3.12", "3.11"))
        _, next_package = pool.submit(built, newer.tree(directory / "tree"), dist, "3.11").result()
    el_package, (agent, package) = el.result()[1], package_311.result()
    step(
        "make rpm, for Python 3.12, for 3.11, and of a newer version with a newer ledger",
        describe(el_package),
    )
    for what, check in rpm_contents.CHECKS.items():
        step(what, check(el_package))
    step("the same tree again", same_bytes(el.result(), directory / "again"))
    debian = Debian.unpacked(directory / "root", "bookworm")
    debian.apt("install", "python3")
    manager = Rpm(debian)
    for what, installed in rpm_installed.CHECKS.items():
        step(what, installed(manager, package, directory))
    step("the package for compute nodes", agent_installed.life(debian, manager, agent))
    asyncio.run(course.play(debian, manager, package, next_package, directory, step))


def built(tree: Path, directory: Path, python: str) -> tuple[Path, Path]:
    """Returns the packages for compute nodes and for the provider's host."""
    agent, package = command(tree / "deploy/rpm/build", directory, python).splitlines()[-2:]
    return Path(agent), Path(package)


def describe(package: Path) -> str:
    return f"{package.name}, {package.stat().st_size // 1000} kB"


def same_bytes(packages: tuple[Path, Path], directory: Path) -> str:
    for package, again in zip(packages, built(ROOT, directory, "3.12"), strict=True):
        if again.read_bytes() != package.read_bytes():
            raise Wrong(f"{package.name} differs from one built of the same tree")
    return "the same bytes of both packages"


def inside(directory: Path) -> int:
    """Runs in a separate mount namespace."""
    try:
        play(directory, teller())
    except (Wrong, ProvdError) as error:
        log = directory / "provd.log"
        tail = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []
        print(
            f"WRONG: {error}",
            *(["the daemon's last lines:", *tail] if tail else []),
            sep="\n",
            file=sys.stderr,
        )
        return 1
    return 0


def main() -> int:
    if len(sys.argv) > 1:
        return inside(Path(sys.argv[1]))
    if os.geteuid():
        print("the root directory of another system needs root", file=sys.stderr)
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="provd-rpm.") as directory:
        Path(directory).chmod(0o755)
        words = [
            str(ROOT / "tools/images/private-mounts"),
            sys.executable,
            "-m",
            "tests.packages.run_rpm",
            directory,
        ]
        code = subprocess.run(words, cwd=ROOT, check=False).returncode
    print(f"{'ok' if code == 0 else 'NOT as it should be'}: {time.monotonic() - began:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
