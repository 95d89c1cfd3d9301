"""Files of a pool's users: each is read and written with the login of its own user."""

from pathlib import Path

import pytest

from provider_daemon.job.site_root import site_root, user_at
from provider_daemon.site_files.files import SiteFiles
from provider_daemon.slurm.local import LocalTransport


class Counted(LocalTransport):
    """Counts the programs that it started."""

    def __init__(self) -> None:
        super().__init__()
        self.started = 0

    def stream(self, program: str):  # type: ignore[no-untyped-def]
        self.started += 1
        return super().stream(program)


async def test_each_root_has_the_login_of_its_user(tmp_path: Path) -> None:
    """One program for each user; other users' and the shared user's files never go through it."""
    logins = {"": Counted(), "u1": Counted(), "u2": Counted()}
    files = SiteFiles(logins[""], login_of=lambda root: logins[user_at(str(tmp_path), root)])
    (tmp_path / "u1").mkdir()
    for user in ("u1", "u1"):
        await files.make_directory(f"{site_root(str(tmp_path), user)}/", "ve-1.00c0ffee")
    assert {user: login.started for user, login in logins.items()} == {"": 0, "u1": 1, "u2": 0}
    await files.list(f"{tmp_path}/")
    await files.list(f"{tmp_path}/u1/ve-1.00c0ffee")
    assert {user: login.started for user, login in logins.items()} == {"": 1, "u1": 1, "u2": 0}
    await files.close()


@pytest.mark.parametrize(
    ("path", "user"),
    [
        ("/work/u1", "u1"),
        ("/work/u1/", "u1"),
        ("/work/u1/ve-1.00c0ffee", "u1"),
        ("/work/provd-c001/.provd-cache/ve1a/x", "provd-c001"),
        ("/work/ve-1.00c0ffee", ""),
        ("/work/.provd-inputs/ve-1", ""),
        ("/work/", ""),
        ("/work", ""),
        ("/workshop/u1", ""),
        ("/data/genomes", ""),
    ],
)
def test_whose_files_are_there(path: str, user: str) -> None:
    """Below work_root, only a name that a Unix user can have is one."""
    assert user_at("/work", path) == user
    assert user_at("/work/", path) == user
