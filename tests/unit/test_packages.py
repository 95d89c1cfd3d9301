"""deploy/packages: what can be said of the packages before they are built (`make deb-test` and `make
rpm-test` play their lives)."""

import re
import subprocess
from pathlib import Path

from tests.unit.docs import ROOT

KINDS = {"config", "dir", "file", "link", "state", "tree"}
PACKAGES = ROOT / "deploy/packages"
ROWS = [line.split() for line in (PACKAGES / "contents").read_text().splitlines() if not line.startswith("#")]
BUILDER = "A Builder <builder@example.org>"


def test_the_list_is_whole() -> None:
    """Each row has a known kind, a mode, an owner and a path of its own; what it takes from the tree
    exists."""
    assert {row[0] for row in ROWS} == KINDS
    assert all(
        re.fullmatch(r"[0-7]{3}|-", row[1]) and re.fullmatch(r"[a-z-]+:[a-z]+", row[2]) for row in ROWS
    )
    assert len({row[3] for row in ROWS}) == len(ROWS)
    sources = [row[4] for row in ROWS if row[0] in ("file", "config") and not row[4].startswith("build/")]
    assert all((ROOT / source).is_file() for source in sources)


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


def described(path: Path) -> tuple[str, str]:
    """Name and home of the user in a file for systemd-sysusers."""
    (line,) = [row for row in path.read_text().splitlines() if row.startswith("u ")]
    return line.split()[1], line.split('"')[2].split()[0]


def test_every_user_is_described_once() -> None:
    """A sysusers file for each user; its home is a state directory of the group provd, and no script of a
    package spells either."""
    users = [described(path) for path in (ROOT / "deploy/systemd").glob("sysusers*.conf")]
    states = {row[3]: row[2] for row in ROWS if row[0] == "state"}
    assert states == {home: f"{name}:provd" for name, home in users}
    scripts = [ROOT / "deploy/debian" / script for script in ("postinst", "postrm", "prerm")]
    for path in [*scripts, ROOT / "deploy/rpm/provd.spec", PACKAGES / "scripts.sh"]:
        assert not [home for _, home in users if home in path.read_text()], path


def test_every_unit_and_user_is_packed() -> None:
    """Each unit and each sysusers file of deploy/systemd is installed."""
    sources = {row[4] for row in ROWS if len(row) == 5}
    shipped = [*(ROOT / "deploy/systemd").glob("*.service"), *(ROOT / "deploy/systemd").glob("sysusers*")]
    assert {str(path.relative_to(ROOT)) for path in shipped} <= sources


def common(words: str, build: Path) -> str:
    """Output of a function of deploy/packages/common, without its preparations."""
    text = (PACKAGES / "common").read_text()
    functions = text[text.index("SYSUSERS=") : text.index("SUMMARY=")] + text[text.index("contents() {") :]
    script = f"set -euo pipefail; UNITS=/u ZSH=/z BUILD={build}\n{functions}\n{words}"
    return subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_scripts_name_every_user_and_service(tmp_path: Path) -> None:
    """The daemon's user and service come first: the others join its group and start after it."""
    users = [line.split()[1:4] for line in common("accounts", tmp_path).splitlines()]
    assert users[0] == ["provd", "/var/lib/provd", "''"]
    assert users[1:] == [[name, f"/var/lib/{name}", "'provd'"] for name in ("provd-gateway", "provd-mover")]
    services = common("services", tmp_path).split()
    assert services == ["provd.service", "provd-gateway.service", "provd-mover.service"]
    for script in ("debian/postinst", "debian/postrm", "debian/prerm", "rpm/provd.spec"):
        filled = common(f"filled deploy/{script}", tmp_path)
        left = set(re.findall(r"@[A-Z]+@", filled))
        assert not left & {"@FUNCTIONS@", "@ACCOUNTS@", "@SERVICES@", "@HOMES@"}, script
        assert " ".join(services) in filled, script


def test_shared_functions_parse() -> None:
    subprocess.run(["sh", "-n", PACKAGES / "scripts.sh"], check=True)
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
