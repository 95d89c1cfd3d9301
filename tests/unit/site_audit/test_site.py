"""The users of a pool that an audit takes."""

from pathlib import Path

import pytest

from provider_daemon.clock import SystemClock
from provider_daemon.errors import Refused
from provider_daemon.site_audit.site import AuditSite
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.logins import SiteLogins

USERS = ("provd-c001", "provd-c002", "provd-c003")


def site() -> AuditSite:
    return AuditSite(SiteLogins(LocalTransport()), SystemClock())


@pytest.fixture
def leases(tmp_path: Path) -> Path:
    directory = tmp_path / ".provd-leases"
    directory.mkdir()
    return directory


async def test_two_free_users_are_leased_until_the_end(tmp_path: Path, leases: Path) -> None:
    """By files that the daemon and a second audit respect, and that are gone afterwards."""
    (leases / USERS[2]).write_text("virtengine-1 ve1customer\n")
    first, second = site(), site()
    assert await first.lease(str(tmp_path), USERS) == USERS[:2]
    held = (leases / USERS[0]).read_text()
    assert held.startswith("site-audit ")
    assert held == (leases / USERS[1]).read_text()
    with pytest.raises(Refused, match="fewer than two users"):
        await second.lease(str(tmp_path), USERS)
    assert await second.clean() == []
    assert len(list(leases.iterdir())) == 3
    assert await first.clean() == []
    assert [path.name for path in leases.iterdir()] == [USERS[2]]


async def test_a_lease_file_that_cannot_be_removed_is_reported(tmp_path: Path, leases: Path) -> None:
    """The operator must remove it: no customer gets the user before."""
    audit = site()
    await audit.lease(str(tmp_path), USERS)
    leases.rename(tmp_path / "elsewhere")
    assert len(await audit.clean()) == 2
