"""Where a site may lie for a while, and what is done where $TMPDIR is no such place."""

import os
import tempfile
from pathlib import Path

import pytest

from provider_daemon.lab.places import NoPlace, temporary
from provider_daemon.lab.site import layout
from provider_daemon.lab.site.processes import LabError


def test_tmpdir_is_taken_where_a_site_can_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's word is heeded."""
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
    made = temporary("provd-test.")
    made.rmdir()
    assert made.parent == Path("/var/tmp")


@pytest.mark.parametrize("name", ["with a blank", "l" * 60, "quo'te"])
def test_a_tmpdir_that_slurm_cannot_live_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Paths that its configuration or its sockets cannot have: /tmp instead."""
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    made = temporary("provd-test.")
    made.rmdir()
    assert made.parent == Path("/tmp")


def test_no_place_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything mounted noexec: one line says so and what to set."""

    def noexec(path: str) -> os.statvfs_result:
        return os.statvfs_result((4096, 4096, 1, 1, 1, 1, 1, 1, os.ST_NOEXEC, 255))

    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    monkeypatch.setattr(os, "statvfs", noexec)
    with pytest.raises(NoPlace, match=r"/tmp is mounted noexec, and jobs are programs: set TMPDIR"):
        temporary("provd-test.")


def test_a_site_in_a_path_that_no_configuration_can_name(tmp_path: Path) -> None:
    """One line says so, and nothing is made."""
    with pytest.raises(LabError, match="use another directory"):
        layout.create(tmp_path / "a site")
    assert list(tmp_path.iterdir()) == []
