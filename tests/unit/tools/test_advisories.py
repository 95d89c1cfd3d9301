"""Dependencies: none with a known vulnerability, and a bill of materials that is the same whenever it is
made."""

import json
import tomllib
from typing import Any

import pytest
from packaging.version import Version

from tests.unit.docs import ROOT
from tools import advisories, sbom


def test_lock_and_floors_have_no_known_vulnerability() -> None:
    """Neither what is installed, nor the oldest that an installation may choose, nor an address that is not
    the public index's."""
    assert advisories.problems() == []


@pytest.mark.parametrize(
    ("floor", "found"),
    [("aiohttp>=3.10", True), ("aiohttp", True), ("aiohttp>=3.14.3", False), ("cryptography>=44", True)],
)
def test_a_floor_below_a_fix(floor: str, found: bool) -> None:
    lines = list(
        advisories.affected(advisories.floors({"project": {"dependencies": [floor]}}), advisories.known())
    )
    assert bool(lines) is found
    assert all("CVE-" in line and "fixed in" in line for line in lines)


def test_a_locked_version_below_a_fix_and_a_foreign_address() -> None:
    lock: dict[str, Any] = {
        "package": [
            {
                "name": "aiohttp",
                "version": "3.10.0",
                "source": {"registry": "https://mirror.example.org/simple"},
            }
        ]
    }
    assert any(
        "CVE-2024-42367" in line for line in advisories.affected(advisories.locked(lock), advisories.known())
    )
    assert list(advisories.foreign(lock)) == ["aiohttp: https://mirror.example.org/simple"]


def test_every_advisory_is_of_a_package_in_the_lock() -> None:
    """An entry of what is no longer used is deleted, and a misspelt one would never match."""
    names = {name for name, _ in advisories.locked(tomllib.loads((ROOT / "uv.lock").read_text()))}
    assert {each.package for each in advisories.known()} <= names
    assert all(each.ids and each.fixed > Version("0") for each in advisories.known())


def test_a_bill_of_materials() -> None:
    """Each run-time package with its version and its files' hashes, none of those for tests; twice the same
    bytes."""
    first, second = (sbom.text(sbom.exported(), sbom.release_date()) for _ in range(2))
    assert first == second
    document = json.loads(first)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    components = {each["name"]: each for each in document["components"]}
    assert {"aiohttp", "asyncssh", "cryptography", "grpcio"} <= set(components)
    assert not {"pytest", "mypy", "mkdocs"} & set(components)
    assert components["aiohttp"]["purl"] == f"pkg:pypi/aiohttp@{components['aiohttp']['version']}"
    assert all(
        file["hashes"]
        for file in components["aiohttp"]["externalReferences"]
        if file["type"] == "distribution"
    )
