"""Where a customer's files are."""

import pytest

from provider_daemon.job.site_root import is_job_directory, site_root


@pytest.mark.parametrize(
    ("work_root", "user", "root"),
    [
        ("/scratch/provd", "", "/scratch/provd"),
        ("/scratch/provd/", "", "/scratch/provd"),
        ("/scratch/provd", "provd-c001", "/scratch/provd/provd-c001"),
        ("/scratch/provd/", "provd-c001", "/scratch/provd/provd-c001"),
    ],
)
def test_site_root(work_root: str, user: str, root: str) -> None:
    """One directory for each pool user, or the work root itself; never with a "/" at its end."""
    assert site_root(work_root, user) == root


@pytest.mark.parametrize(
    ("user", "path", "is_one"),
    [
        ("u1", "/scratch/u1/ve-1-JOB-1.0a1b2c3d", True),
        ("", "/scratch/ve-1-JOB-1.0a1b2c3d", True),
        ("u1", "/scratch/u2/ve-1-JOB-1.0a1b2c3d", False),
        ("u1", "/scratch/ve-1-JOB-1.0a1b2c3d", False),
        ("", "/scratch/u1/ve-1-JOB-1.0a1b2c3d", False),
        ("u1", "/scratch/u1/ve-1-JOB-2.0a1b2c3d", False),
        ("u1", "/scratch/u1/../u1/ve-1-JOB-1.0a1b2c3d", False),
        ("u1", "/scratch/u1/ve-1-JOB-1.0a1b2c3d/", False),
        ("u1", "/scratch/u1/ve-1-JOB-1.0a1b2c3d\n", False),
        ("u1", "/scratch/u1/ve-1-JOB-1", False),
        ("u1", "", False),
    ],
)
def test_is_job_directory(user: str, path: str, is_one: bool) -> None:
    """Of a path in SLURM's record only one that provd itself makes for the job is used."""
    assert is_job_directory("/scratch/", user, "ve-1-JOB-1", path) is is_one
