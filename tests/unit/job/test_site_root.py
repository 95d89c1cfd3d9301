"""Where a customer's files are."""

import pytest

from provider_daemon.job.site_root import site_root


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
