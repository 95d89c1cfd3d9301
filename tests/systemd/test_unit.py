"""The shipped unit, and the drop-in for a daemon on the login node, checked with systemd's own tools."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.systemd.service import EXPOSURE, LOCAL
from tests.unit.docs import ROOT, blocks, page

SHIPPED = ROOT / "deploy/systemd"
PROVD = Path(sys.executable).with_name("provd")


def analyze(*words: str | Path) -> str:
    """Returns the output of both streams."""
    done = subprocess.run(
        ["systemd-analyze", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with the path of the program in this environment."""
    text = (SHIPPED / "provd.service").read_text()
    path = tmp_path / "provd.service"
    path.write_text(text.replace("ExecStart=provd ", f"ExecStart={PROVD} "))
    assert path.read_text() != text
    return path


def exposure(unit: Path) -> float:
    found = re.search(
        r"Overall exposure level for provd.service: (\d+\.\d+)",
        analyze("security", "--offline=yes", "--no-pager", unit),
    )
    assert found
    return float(found[1])


def test_exposure_is_small(unit: Path) -> None:
    """The exposure in `systemd-analyze security` stays below its limit."""
    assert exposure(unit) <= EXPOSURE


def test_systemd_has_nothing_to_complain_of(unit: Path) -> None:
    """systemd reports no unknown key or invalid value."""
    assert analyze("verify", "--man=no", unit) == ""


def test_drop_in_of_a_login_node_opens_one_directory(unit: Path) -> None:
    """The drop-in of a login node is valid, and opens the sandbox only for the directory of the jobs' files.

    systemd reports misspelt keys.
    """
    directory = unit.with_name("provd.service.d")
    directory.mkdir()
    text = LOCAL.read_text()
    (directory / LOCAL.name).write_text(text)
    assert analyze("verify", "--man=no", unit) == ""
    settings = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    assert settings == ["RequiresMountsFor=/scratch/provd", "ReadWritePaths=/scratch/provd"]
    (told,) = (block for block in blocks(page("operators-guide.md"), "ini") if "ReadWritePaths" in block)
    assert told == "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    (directory / LOCAL.name).write_text(text.replace("ReadWritePaths", "ReadWritePath"))
    assert "ReadWritePath" in analyze("verify", "--man=no", unit)
