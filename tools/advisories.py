"""Checks that no dependency has a known vulnerability (tools/advisories.toml).

Both the locked version and the oldest one that pyproject.toml admits are checked. `python -m
tools.advisories` is a part of `make check`.
"""

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools import ROOT

PUBLIC = ("https://pypi.org/simple", "https://files.pythonhosted.org/")


@dataclass(frozen=True, slots=True)
class Advisory:
    """An advisory: versions below `fixed` are affected."""

    package: str
    fixed: Version
    ids: tuple[str, ...]


def known() -> list[Advisory]:
    document = _read("tools/advisories.toml")
    return [
        Advisory(canonicalize_name(each["package"]), Version(each["fixed"]), tuple(each["ids"]))
        for each in document["advisories"]
    ]


def locked(lock: dict[str, Any]) -> Iterator[tuple[str, Version]]:
    yield from ((package["name"], Version(package["version"])) for package in lock["package"])


def floors(project: dict[str, Any]) -> Iterator[tuple[str, Version]]:
    """Returns the oldest version that each direct dependency admits; 0 if it names none."""
    groups = project.get("dependency-groups", {}).values()
    for text in [*project["project"]["dependencies"], *(each for group in groups for each in group)]:
        requirement = Requirement(text)
        lowest = [
            Version(each.version) for each in requirement.specifier if each.operator in (">=", "==", "~=")
        ]
        yield canonicalize_name(requirement.name), max(lowest, default=Version("0"))


def affected(versions: Iterator[tuple[str, Version]], advisories: list[Advisory]) -> Iterator[str]:
    for name, version in versions:
        for advisory in advisories:
            if advisory.package == name and version < advisory.fixed:
                yield f"{name} {version}: {', '.join(advisory.ids)}; fixed in {advisory.fixed}"


def foreign(lock: dict[str, Any]) -> Iterator[str]:
    """Returns the addresses in the lock that are not the public index's own."""
    for package in lock["package"]:
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
        addresses = [package["source"].get("registry", PUBLIC[0]), *(file["url"] for file in files)]
        yield from (
            f"{package['name']}: {address}" for address in addresses if not address.startswith(PUBLIC)
        )


def problems() -> list[str]:
    lock, project, advisories = _read("uv.lock"), _read("pyproject.toml"), known()
    return [
        *(f"uv.lock: {line}" for line in affected(locked(lock), advisories)),
        *(f"pyproject.toml admits {line}" for line in affected(floors(project), advisories)),
        *(f"uv.lock names a foreign address: {line}" for line in foreign(lock)),
    ]


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text())


if __name__ == "__main__":
    found = problems()
    print(
        "\n".join(found)
        or f"no known vulnerability in uv.lock or pyproject.toml, of {len(known())} advisories"
    )
    sys.exit(1 if found else 0)
