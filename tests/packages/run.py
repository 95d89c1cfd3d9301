"""Builds wheel, sdist and Debian packages of this tree and of a newer one, and tests their life in a Debian.

    python -m tests.packages.run [SUITE]

Run it as root. It prints a line for each step and exits with 0 only if every step succeeded.
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
from tests.packages import agent_installed, artefacts, course, installed, newer
from tests.packages.debian import Debian, command
from tests.packages.managers import Apt
from tests.unit.docs import ROOT


def play(directory: Path, suite: str, step: Callable[..., None]) -> None:
    dist = directory / "dist"
    dist.mkdir()
    with ThreadPoolExecutor() as pool:
        packages = [pool.submit(built, tree, dist, suite) for tree in (ROOT, newer.tree(directory / "tree"))]
        wheel, sdist = artefacts.build(dist)
        step("wheel and sdist", artefacts.contents(wheel, sdist))
        step(
            "the wheel in an empty environment", artefacts.in_an_empty_environment(wheel, directory / "venv")
        )
        step("pipx install", artefacts.by_pipx(wheel, directory / "pipx"))
        (agent, package), (_, next_package) = (each.result() for each in packages)
    step(
        "make deb, and of a newer version with a newer ledger",
        f"{package.name}, {package.stat().st_size // 1000} kB",
    )
    debian = Debian.unpacked(directory / "debian", suite)
    for what, check in installed.CHECKS.items():
        step(what, check(debian, package))
    step("the package for compute nodes", agent_installed.life(debian, Apt(debian), agent))
    step("its lintian and manual", agent_installed.documented(debian, agent))
    asyncio.run(course.play(debian, Apt(debian), package, next_package, directory, step))


def built(tree: Path, directory: Path, suite: str) -> tuple[Path, Path]:
    """Returns the packages for compute nodes and for the provider's host."""
    agent, package = command(tree / "deploy/debian/build", directory, suite).splitlines()[-2:]
    return Path(agent), Path(package)


def teller() -> Callable[..., None]:
    """Returns a function that prints each step, how long it took and its result."""
    last = time.monotonic()

    def step(what: str, outcome: str = "") -> None:
        nonlocal last
        print(f"[{time.monotonic() - last:5.1f} s] {what}{f': {outcome}' if outcome else ''}", flush=True)
        last = time.monotonic()

    return step


def inside(directory: Path, suite: str) -> int:
    """Runs in a separate mount namespace."""
    try:
        play(directory, suite, teller())
    except (Wrong, ProvdError) as error:
        log = directory / "provd.log"
        tail = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []
        print(
            f"WRONG: {error}",
            *(["the daemon's last words:", *tail] if tail else []),
            sep="\n",
            file=sys.stderr,
        )
        return 1
    return 0


def main() -> int:
    suite = sys.argv[1] if len(sys.argv) > 1 else "bookworm"
    if len(sys.argv) > 2:
        return inside(Path(sys.argv[2]), suite)
    if os.geteuid():
        print("a Debian of its own needs root", file=sys.stderr)
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="provd-packages.") as directory:
        Path(directory).chmod(0o755)
        words = [
            str(ROOT / "tools/images/private-mounts"),
            sys.executable,
            "-m",
            "tests.packages.run",
            suite,
            directory,
        ]
        code = subprocess.run(words, cwd=ROOT, check=False).returncode
    print(f"{'ok' if code == 0 else 'NOT as it should be'}: {time.monotonic() - began:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
