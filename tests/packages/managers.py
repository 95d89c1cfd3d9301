"""The two package managers, as the course of a package's life uses them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.packages.debian import Debian, command


class Manager(Protocol):
    """A package manager.

    Each call returns the output. `kept_as`: what a removal adds to the name of a changed configuration file.
    """

    @property
    def kept_as(self) -> str: ...

    def install(self, package: Path) -> str:
        """Installs, newly or over an older version."""

    def step_back(self, package: Path) -> str:
        """Installs over a newer version."""

    def remove(self, name: str = "provd") -> str:
        """Removes the package of that name."""


@dataclass(frozen=True, slots=True)
class Apt:
    debian: Debian
    kept_as: str = ""

    def install(self, package: Path) -> str:
        return self.debian.apt("install", self.debian.take(package))

    def step_back(self, package: Path) -> str:
        return self.debian.apt("install", "--allow-downgrades", self.debian.take(package))

    def remove(self, name: str = "provd") -> str:
        return self.debian.apt("remove", name)


@dataclass(frozen=True, slots=True)
class Rpm:
    """rpm of this host, on the root directory of another system."""

    debian: Debian
    kept_as: str = ".rpmsave"

    def install(self, package: Path) -> str:
        return self.rpm("-U", package)

    def step_back(self, package: Path) -> str:
        return self.rpm("-U", "--oldpackage", package)

    def remove(self, name: str = "provd") -> str:
        return self.rpm("-e", name)

    def rpm(self, *words: str | Path, code: int = 0) -> str:
        """Runs rpm and drops the two lines by which Debian's rpm warns of its use on a Debian."""
        told = command("rpm", "--root", self.debian.root, "--dbpath", "/var/lib/rpm", *words, code=code)
        return "".join(line for line in told.splitlines(keepends=True) if not line.startswith("rpm: "))
