"""What the RPM installs on a system and removes again."""

import re
from pathlib import Path

from tests.expect import Wrong, same
from tests.packages import installed
from tests.packages.debian import command
from tests.packages.managers import Rpm

# Provides the same as EL's bash, python3.11, shadow-utils, glibc, libgcc, libstdc++ and systemd.
DISTRIBUTION = """Name: distribution
Version: 1
Release: 1
Summary: What EL's own packages provide
License: none
BuildArch: noarch
Provides: /bin/sh, /usr/bin/python3.11, /usr/sbin/groupadd, /usr/sbin/useradd, systemd
Provides: python(abi) = 3.11
Provides: libc.so.6(GLIBC_2.28)(64bit), libgcc_s.so.1()(64bit), libstdc++.so.6()(64bit)
%description
%files
"""
# Created by the package's scripts, by useradd and by rpm; and directories of EL's own packages.
MADE = re.compile(
    r"/usr/lib/provd/lib/.*/__pycache__(/.*)?|/etc/(passwd|shadow|group|gshadow|subuid|subgid)-|/var/lib/rpm/.*"
)
EL = re.compile(
    r"/usr/lib/(sysusers\.d|systemd(/system)?)|/usr/share/(bash-completion(/completions)?|man(/man[15])?|licenses|zsh)"
)


def refused(manager: Rpm, package: Path, directory: Path) -> str:
    """A system without the required Python refuses the package, and the message names that Python."""
    manager.debian.sh("mkdir -p /var/lib/rpm")
    manager.rpm("--initdb")
    told = manager.rpm("-U", package, code=1)
    if "python(abi) = 3.11 is needed by provd" not in told:
        raise Wrong(f"rpm says: {told}")
    spec = directory / "distribution.spec"
    spec.write_text(DISTRIBUTION)
    command("rpmbuild", "--quiet", "-bb", "--define", f"_topdir {directory}/rpm", spec)
    (distribution,) = (directory / "rpm/RPMS").rglob("*.rpm")
    manager.install(distribution)
    return "python(abi) = 3.11 is needed by provd"


def installs(manager: Rpm, package: Path, directory: Path) -> str:
    """Every new path is listed by the package or created by its scripts; nothing is enabled or running.

    Nothing is left after a removal. The package is installed again at the end.
    """
    debian = manager.debian
    before = debian.paths()
    manager.install(package)
    new = debian.paths() - before
    listed = set(manager.rpm("-ql", "provd").splitlines())
    if strange := unexplained(new - listed):
        raise Wrong(f"nobody lists {strange[:5]}")
    same("changed files", manager.rpm("-V", "provd"), "")
    same("enabled", debian.sh("find /etc/systemd -name 'provd*'"), "")
    compiled = debian.sh("find /usr/lib/provd/lib -name '*.pyc' | head -n 1")
    same("modules are compiled", bool(compiled), True)
    manager.remove()
    same("left after a removal", unexplained(debian.paths() - before), [])
    manager.install(package)
    return f"{len(new)} paths, none after a removal"


def unexplained(paths: set[str]) -> list[str]:
    return sorted(path for path in paths if not MADE.fullmatch(path) and not EL.fullmatch(path))


def answers(manager: Rpm, package: Path, directory: Path) -> str:
    return installed.answers(manager.debian, package)


def configured(manager: Rpm, package: Path, directory: Path) -> str:
    return installed.configured(manager.debian, package)


def modes(manager: Rpm, package: Path, directory: Path) -> str:
    return installed.modes(manager.debian, package)


def keeps_configuration(manager: Rpm, package: Path, directory: Path) -> str:
    """A changed provd.toml is kept by a second installation, and by a removal, which renames it."""
    config = manager.debian.root / "etc/provd/provd.toml"
    text = config.read_text() + "# changed by the administrator\n"
    config.write_text(text)
    manager.rpm("-U", "--replacepkgs", package)
    same("the changed configuration", config.read_text(), text)
    told = manager.remove()
    saved = config.with_name(config.name + manager.kept_as)
    same("the saved configuration", saved.read_text(), text)
    manager.install(package)
    saved.unlink()
    return told.strip()


CHECKS = {
    "rpm -U where the distribution's Python is missing": refused,
    "rpm -U, rpm -e, rpm -U": installs,
    "provd --version": answers,
    "a daemon that nobody has configured": configured,
    "files": modes,
    "a changed configuration": keeps_configuration,
}
