"""The short form of `make isolation`, in every test run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real-slurm")]


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("bwrap") is None, reason="it needs root, for namespaces, and bubblewrap"
)
def test_two_hostile_customers_reach_nothing() -> None:
    """Every row of the audit is closed on a site with cgroups and the built-in launcher bubblewrap."""
    command = [sys.executable, "-m", "tests.isolation.run", "--short"]
    played = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert played.returncode == 0, played.stdout + played.stderr
