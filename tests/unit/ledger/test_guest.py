"""The ledger as another process of its group reads it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pytest

from provider_daemon.errors import Transient
from provider_daemon.ledger.guest import LedgerGuest
from provider_daemon.ledger.ledger import Ledger
from provider_daemon.ledger.rows import Message, OpenTx, job_from_value
from tests.unit.job.jobs import JOB

GUEST, GROUP = 64_123, 64_124


def save(ledger: Ledger, customer: str, *numbers: int) -> None:
    with ledger.write():
        for number in numbers:
            ledger.save_job(replace(JOB, spec=replace(JOB.spec, job_id=f"JOB-{number}", customer=customer)))


def test_jobs_of_one_customer(ledger: Ledger, path: Path) -> None:
    """Newest first, page by page, and never another customer's."""
    save(ledger, "ve1a", 1, 3, 5)
    save(ledger, "ve1b", 2, 4)
    guest = LedgerGuest(path)
    first = guest.jobs_of("ve1a", count=2)
    assert ([job.spec.job_id for _, job in first.jobs], first.more) == (["JOB-5", "JOB-3"], True)
    rest = guest.jobs_of("ve1a", before=first.jobs[-1][0], count=2)
    assert ([job.spec.job_id for _, job in rest.jobs], rest.more) == (["JOB-1"], False)
    assert guest.jobs_of("ve1", count=2).jobs == ()


def test_an_unreadable_row_is_named(ledger: Ledger, path: Path) -> None:
    """It hides no other job, and is not left out silently."""
    save(ledger, "ve1a", 1, 2)
    value = """UPDATE jobs SET value = json_set(value, '$.attempt', 'many') WHERE job_id = 'JOB-1'"""
    ledger._db.execute(value)
    found = LedgerGuest(path).jobs_of("ve1a", count=5)
    assert ([job.spec.job_id for _, job in found.jobs], found.unreadable) == (["JOB-2"], ("JOB-1",))
    assert LedgerGuest(path).job("JOB-1") is None


def test_closed_jobs_in_the_order_of_their_end(ledger: Ledger, path: Path) -> None:
    """Page by page, without losing one of several that were closed at the same time."""
    with ledger.write():
        for number, closed_at in ((1, 20.0), (2, 10.0), (3, 20.0), (4, None), (5, 20.0)):
            spec = replace(JOB.spec, job_id=f"JOB-{number}")
            ledger.save_job(replace(JOB, spec=spec, closed_at=closed_at))
    guest, found, since, after = LedgerGuest(path), list[str](), 0.0, ""
    cluster_id = JOB.spec.cluster_id
    while page := guest.closed_since(cluster_id, since, after, 2):
        found += [job.spec.job_id for job in page]
        since, after = page[-1].closed_at or 0.0, found[-1]
    assert found == ["JOB-2", "JOB-1", "JOB-3", "JOB-5"]
    assert guest.open_values(cluster_id, lambda job_id, value: (job_id, job_from_value(value).closed_at)) == [
        ("JOB-4", None)
    ]
    assert {job.spec.job_id for job in guest.jobs(["JOB-1", "JOB-9"])} == {"JOB-1"}
    assert guest.closed_since("HPC-other", 0.0, "", 2) == []


def test_known_names(ledger: Ledger, path: Path) -> None:
    """Names of jobs in the ledger, whatever their state."""
    save(ledger, "ve1a", 1)
    name = replace(JOB, spec=replace(JOB.spec, job_id="JOB-1", customer="ve1a")).name
    assert LedgerGuest(path).known_names([name, "ve-unknown"]) == {name}


def test_final_report(ledger: Ledger, path: Path) -> None:
    """The transaction of the confirmed final report; not that of an earlier state, nor an open one."""
    guest, report = LedgerGuest(path), Message("report", "JOB-1", b"r", "running")
    for state, sequence, status in (
        ("running", 1, "included"),
        ("completed", 2, "open"),
        ("completed", 3, "included"),
    ):
        if sequence < 3:
            with ledger.write():
                ledger.add_message("ve1p", replace(report, state=state), 1.0)
                tx = ledger.add_tx(
                    OpenTx(0, "ve1p", f"HASH{sequence}", b"signed", sequence, 9, 5, 1.0),
                    ledger.waiting_messages("ve1p"),
                )
                if status != "open":
                    ledger.close_tx(tx, status, height=5)
            assert guest.final_report("JOB-1") == ""
        else:
            with ledger.write():
                ledger.close_tx(tx, status, height=5)
    assert guest.final_report("JOB-1") == "HASH2"


def test_no_ledger(tmp_path: Path) -> None:
    """Before the daemon's first start nothing is known, which is not the same as no jobs."""
    with pytest.raises(Transient, match="cannot be read"):
        LedgerGuest(tmp_path / "none.sqlite").jobs_of("ve1a", count=1)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that the ledger's group can enter and read, but not write."""
    directory = Path(mkdtemp(prefix="provd-guest-"))
    os.chown(directory, -1, GROUP)
    directory.chmod(0o2750)
    yield directory
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()


def as_guest(read: Callable[[], object]) -> str:
    """Runs it as another user of the group, in a process of its own, and returns what it printed."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(GROUP)
            os.setuid(GUEST)
            os.write(sending, str(read()).encode())
        except BaseException as error:
            os.write(sending, repr(error).encode())
        finally:
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("running", [True, False])
def test_another_user_reads_beside_a_daemon_and_without_one(shared: Path, running: bool) -> None:
    """While the daemon writes, the newest commit; while it is stopped, all of the file, although SQLite's
    side files are gone and cannot be created. Writing is impossible."""
    path = shared / "ledger.sqlite"
    daemon = Ledger.open(path)
    save(daemon, "ve1a", 1, 2)
    if not running:
        daemon.close()
        assert not Path(f"{path}-wal").exists()
    names = as_guest(lambda: [job.spec.job_id for _, job in LedgerGuest(path).jobs_of("ve1a", count=9).jobs])
    written = as_guest(lambda: Ledger.open(path, lock=False).quarantine("JOB-9", "x", 1.0))
    assert names == "['JOB-2', 'JOB-1']"
    assert "readonly" in written or "unable to open" in written
    if running:
        daemon.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_stranger_reads_nothing(shared: Path) -> None:
    """A user outside the group gets an error, not an empty list."""
    path = shared / "ledger.sqlite"
    daemon = Ledger.open(path)
    daemon.close()
    os.chown(path, -1, 0)
    assert "Transient" in as_guest(lambda: LedgerGuest(path).jobs_of("ve1a", count=9))
