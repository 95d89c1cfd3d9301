"""The short form of `make site-quirks`, in every test run."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real-slurm")]


def test_the_short_form_is_right() -> None:
    """The quirks in the short form change no result of provd.

    They are banners, a failure with exit code 0, a limited query range and a comment with a line break.
    """
    command = [sys.executable, "-m", "tests.site_quirks.run", "--short"]
    played = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert played.returncode == 0, played.stdout + played.stderr
