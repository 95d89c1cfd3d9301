"""Wheel and source distribution: their contents, and their installation into an empty environment."""

import os
import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

from provider_daemon import __version__
from tests.expect import Wrong, same
from tests.packages.debian import command
from tests.unit.docs import ROOT

UV = ROOT / ".uv/bin/uv"
NEVER = re.compile(r"(^|/)(tests|tools|docs|deploy|__pycache__|\.[^/]+)/|\.pyc$")


def build(directory: Path) -> tuple[Path, Path]:
    """Builds the wheel and the sdist."""
    command(UV, "build", "-q", "--out-dir", directory, ROOT)
    wheel, sdist = (
        directory / f"provd-{__version__}-py3-none-any.whl",
        directory / f"provd-{__version__}.tar.gz",
    )
    return wheel, sdist


def contents(wheel: Path, sdist: Path) -> str:
    """Checks the contents of both: every file of the package and the licence.

    They contain no tests, caches or documents.
    """
    wanted = package_files()
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    info = f"provd-{__version__}.dist-info"
    extra = {
        f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    same("files of the wheel", names ^ (wanted | extra), set())
    with tarfile.open(sdist) as archive:
        packed = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    same("missing in the sdist", (wanted | {"LICENSE", "README.md", "pyproject.toml"}) - packed, set())
    if strange := sorted(name for name in names | packed if NEVER.search(name)):
        raise Wrong(f"packed by mistake: {', '.join(strange[:5])}")
    return (
        f"{len(names)} files in {wheel.stat().st_size // 1000} kB, {len(packed)} in "
        f"{sdist.stat().st_size // 1000} kB"
    )


def package_files() -> set[str]:
    """Returns the files of the package that git has or would add."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "provider_daemon"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return {name for name in names if name and (ROOT / name).exists()}


def in_an_empty_environment(wheel: Path, directory: Path) -> str:
    command(UV, "venv", "-q", directory)
    command(UV, "pip", "install", "-q", "--python", directory / "bin/python", wheel)
    return answers(directory / "bin/provd")


def by_pipx(wheel: Path, directory: Path) -> str:
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PIPX_HOME": str(directory / "home"),
        "PIPX_BIN_DIR": str(directory / "bin"),
    }
    command(UV, "tool", "run", "pipx", "install", wheel, env={**environment(), **env})
    return answers(directory / "bin/provd")


def environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON"))
    }


def answers(provd: Path) -> str:
    """Checks that the program runs from the files of the package."""
    same("provd --version", command(provd, "--version"), f"provd {__version__}\n")
    same(
        "the default configuration",
        command(provd, "config", "print-default"),
        (ROOT / "provider_daemon/provd.example.toml").read_text(),
    )
    templates = command(provd, "template", "list")
    for shipped in (ROOT / "provider_daemon/template/shipped").glob("*.yaml"):
        if shipped.stem not in templates:
            raise Wrong(f"no template {shipped.stem} in:\n{templates}")
    return "version, default configuration and templates"
