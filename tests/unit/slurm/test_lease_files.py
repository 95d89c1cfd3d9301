"""The programs for leases, run by a real shell over a real directory."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provider_daemon.errors import Unreadable
from provider_daemon.job.leases import Remains
from provider_daemon.slurm import lease_files
from provider_daemon.slurm.local import LocalTransport
from provider_daemon.slurm.logins import SiteLogins
from provider_daemon.slurm.pool_site import SlurmPoolSite

ALICE, BOB = "ve1a test-1/HPC-1", "ve1b test-1/HPC-1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A prepared work_root with the directory of the user u1."""
    for name in (".provd-leases", "u1"):
        (tmp_path / name).mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def site(root: Path, tmp_path: Path) -> SlurmPoolSite:
    """Every user is the test's own. squeue is a file of lines."""
    squeue = tmp_path / "bin" / "squeue"
    squeue.parent.mkdir()
    squeue.write_text(f'#!/bin/sh\ncat "{tmp_path}/queue"\n')
    squeue.chmod(0o755)
    (tmp_path / "queue").write_text("")
    made = LocalTransport({"PATH": os.environ["PATH"], "HOME": "/"}, [str(squeue.parent)])
    return SlurmPoolSite(SiteLogins(made, lambda _: made), str(root))


def files(root: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (root / ".provd-leases").iterdir()}


async def test_the_first_claim_wins(site: SlurmPoolSite, root: Path) -> None:
    """A file is made whole and once; a later claim of another customer reads the first one's line."""
    assert await site.leases() == {}
    assert await site.claim({"u1": ALICE, "u2": BOB}) == {"u1": ALICE, "u2": BOB}
    assert await site.claim({"u1": BOB}) == {"u1": ALICE}
    assert await site.leases() == {"u1": ALICE, "u2": BOB}
    assert files(root) == {"u1": f"{ALICE}\n", "u2": f"{BOB}\n"}


async def test_odd_files_are_shown_or_left_out(site: SlurmPoolSite, root: Path) -> None:
    """An empty file blocks its user; what cannot be a user's is not read; lines are cut."""
    directory = root / ".provd-leases"
    (directory / "u1").touch()
    (directory / "u2").write_text("x" * 999 + "\nmore\n")
    (directory / "README").write_text("x\n")
    assert await site.leases() == {"u1": "?", "u2": "x" * 200}


async def test_without_the_directory_nobodys_lease_is_known(site: SlurmPoolSite, root: Path) -> None:
    """work_root may not be mounted: that is a failure, and never a pool without leases."""
    (root / ".provd-leases").rmdir()
    with pytest.raises(Unreadable, match=r"the lease files failed .*provd-leases"):
        await site.leases()
    with pytest.raises(Unreadable, match=r"the lease files failed .*provd-leases"):
        await site.claim({"u1": ALICE})


async def test_a_file_is_removed_only_when_it_is_old_and_ones_own(site: SlurmPoolSite, root: Path) -> None:
    """A claim by any daemon makes it young again; a file that is gone is removed already."""
    await site.claim({"u1": ALICE})
    file = root / ".provd-leases" / "u1"
    assert not await site.end("u1", ALICE, 100)
    os.utime(file, (time.time() - 200,) * 2)
    assert not await site.end("u1", BOB, 100)
    await site.claim({"u1": BOB})  # of others: it stays old
    await site.claim({"u1": ALICE})  # used again
    assert not await site.end("u1", ALICE, 100)
    assert files(root) == {"u1": f"{ALICE}\n"}
    os.utime(file, (time.time() - 200,) * 2)
    assert await site.end("u1", ALICE, 100)
    assert await site.end("u1", ALICE, 100)
    assert files(root) == {}


@pytest.fixture
def sleeper() -> Iterator[int]:
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


async def test_what_is_left_of_a_user(site: SlurmPoolSite, root: Path, sleeper: int, tmp_path: Path) -> None:
    """Its processes but not the program's own, its SLURM jobs, and every name in its directory."""
    (root / "u1" / "ve-0123456789ab-JOB-1.0a1b2c3d").mkdir()
    (root / "u1" / ".provd-cache").mkdir()
    (root / "u1" / "two\nlines").touch()
    (tmp_path / "queue").write_text("12\n13_[1-4]\n")
    found = await site.remains("u1")
    assert found.processes >= 1  # the sleeper, and the other processes of the tests' user
    assert found.jobs == ("12", "13_[1-4]")
    assert set(found.entries) == {"ve-0123456789ab-JOB-1.0a1b2c3d", ".provd-cache", "two?lines"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_programs_own_processes_do_not_count() -> None:
    """Otherwise no user would ever be returned. Another process of the user does count, until it ended."""
    command, user = lease_files.remains("/"), 61234
    program = command.program.replace("squeue -a -h --me -o %i", "true")

    def processes() -> int:
        ran = subprocess.run(
            ["/bin/sh", "-c", program],
            input=command.payload,
            capture_output=True,
            check=True,
            user=user,
            group=user,
            extra_groups=[],
            cwd="/",
        )
        return ran.stdout.count(b"provd-process ")

    assert processes() == 0
    with subprocess.Popen(["sleep", "60"], user=user, group=user, extra_groups=[], cwd="/") as sleeper:
        assert processes() == 1
        sleeper.kill()
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
        assert processes() == 0  # a zombie, as under a first process that never asks for its children


async def test_open_logins_of_provd_do_not_count(site: SlurmPoolSite, tmp_path: Path) -> None:
    """Gateway and data mover keep a login of the user open; what runs in it counts, and so does a copy."""
    uid, user = os.getuid() or 61234, pwd.getpwuid(os.getuid()).pw_name
    rows = (
        (0, 10, 1, "S", f"sshd: {user} [priv]"),
        (uid, 11, 10, "S", f"sshd: {user}@notty"),
        (0, 20, 1, "S", f"sshd-session: {user} [priv]"),
        (uid, 21, 20, "S", f"sshd-session: {user}@notty"),
        (uid, 22, 21, "S", "tar -c ."),
        (0, 30, 1, "S", "sshd: another [priv]"),
        (uid, 31, 30, "S", "program"),
        (uid, 40, 1, "S", f"sshd: {user} [priv]"),
        (uid, 41, 40, "S", "program"),
        (uid, 42, 1, "Z", "[program] <defunct>"),
        (61235, 50, 1, "S", "program of another user"),
    )
    for name, text in (("ps", "\n".join(" ".join(map(str, row)) for row in rows)), ("id", "")):
        program = tmp_path / "bin" / name
        shown = f"cat <<'END'\n{text}\nEND" if text else f"[ $1 = -u ] && echo {uid} || echo {user}"
        program.write_text(f"#!/bin/sh\n{shown}\n")
        program.chmod(0o755)
    assert (await site.remains("u1")).processes == 4  # 22, 31, 40 and 41


async def test_a_failing_squeue_is_not_an_empty_queue(site: SlurmPoolSite, tmp_path: Path) -> None:
    """Nothing is known of the user then."""
    (tmp_path / "bin" / "squeue").write_text("#!/bin/sh\necho 'slurm_load_jobs error' >&2\nexit 1\n")
    with pytest.raises(Unreadable, match="slurm_load_jobs error"):
        await site.remains("u1")


async def test_everything_below_the_directory_is_deleted(root: Path, tmp_path: Path) -> None:
    """Also in directories that the job closed to itself; links are not followed, and the directory stays."""
    closed = root / "u1" / "deep" / "closed"
    closed.mkdir(parents=True)
    (closed / "file").touch()
    closed.chmod(0)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    (root / "u1" / "link").symlink_to(tmp_path / "outside")
    program = lease_files.clean(str(root / "u1")).program.replace(
        "/tmp /var/tmp /dev/shm", str(tmp_path / "none")
    )
    ran = subprocess.run(
        ["/bin/sh", "-c", program.replace("crontab -r", "true")],
        input=lease_files.clean(str(root / "u1")).payload,
        capture_output=True,
        check=False,
    )
    assert ran.stdout.endswith(b"provd-end 0\n")
    assert list((root / "u1").iterdir()) == []
    assert (tmp_path / "outside" / "kept").exists()
    shutil.rmtree(tmp_path / "outside")


@pytest.mark.parametrize("line", ["provd-lease U1 x", "provd-lease u1", "Last login: today"])
def test_foreign_output_is_unreadable(line: str) -> None:
    """A lease that cannot be read is never a free user."""
    with pytest.raises(Unreadable):
        lease_files.parse_leases(f"{line}\n")
    with pytest.raises(Unreadable):
        lease_files.parse_remains(f"{line}\n")
    with pytest.raises(Unreadable):
        lease_files.parse_ended(f"{line}\n")


def test_nothing_left() -> None:
    """No output at all is an empty user: the framing shows that the program ran."""
    assert lease_files.parse_remains("") == Remains(0, (), ())


@pytest.mark.parametrize("user", ["", "u 1", "../x", "U1", "u1\n"])
def test_a_user_that_is_no_name_is_never_sent(user: str) -> None:
    """It would be another file, or another line."""
    with pytest.raises(ValueError, match="invalid"):
        lease_files.claim("/work", {user: ALICE})
