"""One version, in pyproject.toml: the package, the program and the changelog say the same."""

import re
import tomllib
from datetime import date
from importlib.metadata import version

from provider_daemon import __version__
from provider_daemon.doctor.host_checks import BEYOND, OLDEST
from provider_daemon.ledger.file import SCHEMA_VERSION, migrations
from tests.unit.docs import ROOT, page, table

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
UNRELEASED = "Unreleased"  # its heading, where there are changes since the newest version
HEADS = [head for head in re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE) if head != UNRELEASED]


def test_one_version() -> None:
    """What is installed was built from this tree."""
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert __version__ == version("provd") == written
    assert HEADS[0].split()[0] == written


def test_one_range_of_pythons() -> None:
    """pyproject.toml's, in its classifiers, in the bootstrap's check, in the doctor's, and where a reader
    meets it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest, beyond = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups())  # type: ignore[union-attr]
    minors = [name.rpartition("3.")[2] for name in project["classifiers"] if "Python :: 3." in name]
    assert list(map(int, minors)) == list(range(oldest, beyond))
    assert ((3, oldest), (3, beyond)) == (OLDEST, BEYOND)
    span = f"3.{oldest} to 3.{beyond - 1}"
    assert (
        f"(3, {oldest}) <= sys.version_info[:2] <= (3, {beyond - 1})"
        in (ROOT / "tools/bootstrap").read_text()
    )
    for name in ("tools/bootstrap", "README.md", "docs/install.md", "provider_daemon/doctor/host_checks.py"):
        assert span in (ROOT / name).read_text(), name


def test_the_changelog_has_an_entry_a_version() -> None:
    """`## VERSION - DATE`, the newest first, each with its changes: packages take version and date from
    there."""
    assert UNRELEASED not in CHANGELOG or CHANGELOG.index(f"## {UNRELEASED}\n") < CHANGELOG.index(
        f"## {HEADS[0]}"
    )
    entries = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - (\d{4}-\d\d-\d\d)", head) for head in HEADS]
    assert all(entries)
    numbers = [tuple(map(int, entry.groups()[:3])) for entry in entries if entry]
    assert numbers == sorted(set(numbers), reverse=True)
    days = [date.fromisoformat(entry[4]) for entry in entries if entry]
    assert days == sorted(days, reverse=True)
    assert all("\n- " in text for text in CHANGELOG.split("\n## ")[1:])


def test_the_upgrade_notes_know_the_schema() -> None:
    """The newest row of the table is this version with its ledger's schema, and every schema that it can come
    from."""
    newest = table(page("upgrading.md"), "provd")[0]
    assert newest == [
        __version__,
        str(SCHEMA_VERSION),
        ", ".join(str(number - 1) for number, _ in migrations()),
    ]
