"""The short form of `make hostile-customer`, in every test run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real-slurm")]


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_the_short_form_holds_all_off() -> None:
    """Attacks in the short form harm no neighbour.

    They are options as commands behind bwrap and srun, and a link in place of a job's directory.
    """
    command = [sys.executable, "-m", "tests.hostile_customer.run", "--short"]
    played = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert played.returncode == 0, played.stdout + played.stderr
