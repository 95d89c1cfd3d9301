"""deploy/packages: what can be said of the packages before they are built (`make deb-test` and `make
rpm-test` play their lives)."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.docs import ROOT

KINDS = {"config", "dir", "file", "link", "state", "tree"}
PACKAGES = ROOT / "deploy/packages"
BUILDER = "A Builder <builder@example.org>"
LISTS = {"provd": PACKAGES, "provd-agent": PACKAGES / "agent"}


def listed(package: str) -> list[list[str]]:
    """The rows of a package's list of contents."""
    lines = (LISTS[package] / "contents").read_text().splitlines()
    return [line.split() for line in lines if not line.startswith("#")]


ROWS = listed("provd")


@pytest.mark.parametrize("package", LISTS)
def test_the_list_is_whole(package: str) -> None:
    """Each row has a known kind, a mode, an owner and a path of its own; what it takes from the tree
    exists."""
    rows = listed(package)
    assert {row[0] for row in rows} == KINDS
    assert all(
        re.fullmatch(r"[0-7]{3}|-", row[1]) and re.fullmatch(r"[a-z-]+:[a-z-]+", row[2]) for row in rows
    )
    assert len({row[3] for row in rows}) == len(rows)
    sources = [row[4] for row in rows if row[0] in ("file", "config") and not row[4].startswith("build/")]
    assert all((ROOT / source).is_file() for source in sources)


def test_both_packages_fit_on_one_host() -> None:
    """No path is in both, so that a login node that computes too can have both."""
    assert not {row[3] for row in listed("provd")} & {row[3] for row in listed("provd-agent")}


def test_every_board_and_rule_is_packed() -> None:
    """Nothing of deploy/grafana and deploy/prometheus that a site loads is left out."""
    sources = {row[4] for row in ROWS if len(row) == 5}
    wanted = [*(ROOT / "deploy/grafana").glob("*.json"), *(ROOT / "deploy/prometheus").glob("*s.yaml")]
    assert {str(path.relative_to(ROOT)) for path in wanted} <= sources
    assert "deploy/mixin.libsonnet" in sources


def test_what_is_made_is_packed() -> None:
    """The build makes exactly what the list takes from it."""
    made = set(re.findall(r'"\$BUILD/(provd[\w.]+)"', (PACKAGES / "common").read_text()))
    assert {row[4].removeprefix("build/") for row in ROWS if row[-1].startswith("build/")} - {
        "environment"
    } == made
    assert '"$BUILD/provd-agent.8.gz"' in (PACKAGES / "common").read_text()


def described(path: Path) -> tuple[str, str]:
    """Name and home of the user in a file for systemd-sysusers."""
    (line,) = [row for row in path.read_text().splitlines() if row.startswith("u ")]
    return line.split()[1], line.split('"')[2].split()[0]


def test_every_user_is_described_once() -> None:
    """A sysusers file for each user; its home is a state directory, of the group provd or on a compute node,
    and no script of a package spells either."""
    users = [described(path) for path in (ROOT / "deploy/systemd").glob("sysusers*.conf")]
    states = {row[3]: row[2] for package in LISTS for row in listed(package) if row[0] == "state"}
    groups = {"provd-agent": "provd-agent"}
    assert states == {home: f"{name}:{groups.get(name, 'provd')}" for name, home in users}
    scripts = [ROOT / "deploy/debian" / script for script in ("postinst", "postrm", "prerm")]
    functions = [PACKAGES / "scripts.sh", *(path / "data.sh" for path in LISTS.values())]
    for path in [*scripts, ROOT / "deploy/rpm/provd.spec", *functions]:
        assert not [home for _, home in users if home in path.read_text()], path


def test_every_unit_and_user_is_packed() -> None:
    """Each unit and each sysusers file of deploy/systemd is installed, by one of the packages."""
    sources = {row[4] for package in LISTS for row in listed(package) if len(row) == 5}
    shipped = [*(ROOT / "deploy/systemd").glob("*.service"), *(ROOT / "deploy/systemd").glob("sysusers*")]
    assert {str(path.relative_to(ROOT)) for path in shipped} <= sources


def common(package: str, words: str, build: Path) -> str:
    """Output of a function of deploy/packages/common, without its preparations."""
    text = (PACKAGES / "common").read_text()
    functions = text[text.index("package() {") :]
    script = f"set -euo pipefail; UNITS=/u ZSH=/z BUILD={build}\n{functions}\npackage {package}; {words}"
    return subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("package", LISTS)
def test_scripts_name_every_user_and_service(package: str, tmp_path: Path) -> None:
    """The daemon's user and service come first: the others join its group and start after it."""
    users = [line.split()[1:4] for line in common(package, "accounts", tmp_path).splitlines()]
    services = common(package, "services", tmp_path).split()
    if package == "provd":
        others = ("provd-gateway", "provd-mover", "provd-collector")
        joining = [[name, f"/var/lib/{name}", "'provd'"] for name in others]
        assert users == [["provd", "/var/lib/provd", "''"], *joining]
        assert services == [
            "provd.service",
            *(f"provd-{name}.service" for name in ("collector", "gateway", "mover")),
        ]
    else:
        assert users == [["provd-agent", "/var/lib/provd-agent", "''"]]
        assert services == ["provd-agent.service"]
    for script in ("debian/postinst", "debian/postrm", "debian/prerm", "rpm/provd.spec"):
        filled = common(package, f"filled deploy/{script}", tmp_path)
        left = set(re.findall(r"@[A-Z]+@", filled))
        assert not left & {"@FUNCTIONS@", "@ACCOUNTS@", "@SERVICES@", "@HOMES@", "@PACKAGE@"}, script
        assert " ".join(services) in filled, script


def test_shared_functions_parse() -> None:
    for path in (PACKAGES / "scripts.sh", *(path / "data.sh" for path in LISTS.values())):
        subprocess.run(["sh", "-n", path], check=True)
    subprocess.run(["bash", "-n", PACKAGES / "common"], check=True)


def test_changelog_is_rpms() -> None:
    """Of two released versions: days with their weekday, one line for each change, `%` doubled."""
    text = (
        "# Changelog\n\n## Unreleased\n\n- next\n\n## 0.2.0 - 2026-02-03\n\nAll of it:\n\n- one\n  "
        "two\n- 3% more\n\n"
    )
    text += "## 0.1.0 - 2026-01-31\n\n- first\n"
    awk = ["awk", "-v", f"builder={BUILDER}", "-f", str(ROOT / "deploy/rpm/changelog.awk")]
    assert subprocess.run(awk, input=text, capture_output=True, text=True, check=True).stdout == (
        f"* Tue Feb 03 2026 {BUILDER} - 0.2.0-1\n- All of it:\n- one two\n- 3%% more\n\n* Sat Jan "
        f"31 2026 {BUILDER} - 0.1.0-1\n- first\n"
    )
